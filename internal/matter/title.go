package matter

import (
	"strings"

	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
)

// Title is what lists call a matter in a language: the conduct it is about and the body concerned, never anything a
// reporter wrote.
func Title(p *pack.Pack, t *register.Tree, s State, lang string) string {
	var conduct []string
	for _, a := range s.Allegations {
		conduct = append(conduct, a.Conduct)
	}
	return TitleOf(p, t, conduct, s.Matter.Concerned, lang)
}

// TitleOf is Title from its parts, for lists that do not load the whole matter.
func TitleOf(p *pack.Pack, t *register.Tree, conduct []string, concerned ref.BodyID, lang string) string {
	var parts []string
	seen := map[string]bool{}
	for _, id := range conduct {
		if c := p.ConductEntry(id); c != nil && !seen[id] && len(parts) < 2 {
			parts = append(parts, p.Say(c.Label, lang))
		}
		seen[id] = true
	}
	title := strings.Join(parts, "; ")
	if b := t.Body(concerned); b != nil {
		if title != "" {
			title += " – "
		}
		title += b.Called(lang, "")
	}
	return title
}
