package rehearse

// FormOf names the form of a line, Forms all there are: for the test of the reference page.
func FormOf(line string) string {
	if v, _ := recognise(line); v != nil {
		return v.name
	}
	return ""
}

// Forms names every form a line can have.
func Forms() []string {
	var out []string
	for _, v := range verbs {
		out = append(out, v.name)
	}
	return out
}
