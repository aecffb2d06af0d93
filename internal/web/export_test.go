package web

// Route is a route as tests see it: its pattern, and whose door it is.
type Route struct {
	Pattern string
	Door    string
}

// Routes are all there are.
func Routes() []Route {
	doors := map[door]string{public: "public", staff: "staff", waiting: "waiting", admins: "admins"}
	var out []Route
	for _, r := range (&Server{}).routes() {
		out = append(out, Route{r.pattern, doors[r.door]})
	}
	return out
}
