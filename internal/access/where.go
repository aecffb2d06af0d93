package access

import (
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/ref"
)

// Where is CanSee as an SQL condition over the table matter under the given alias. Its placeholders are numbered
// from firstArg on and filled by args, in order. A viewer who may see nothing gets a condition that is never true.
func Where(v Viewer, alias string, firstArg int) (sql string, args []any) {
	w := where{next: firstArg}
	var subtree, desks, parents []ref.BodyID
	var ways []string
	seenDesk := map[string]bool{}
	for _, g := range v.Grants {
		if g.Body == 0 || (g.Sees != SeesSubtree && g.Sees != SeesDesk) {
			continue
		}
		if g.Sees == SeesSubtree && !slices.Contains(subtree, g.Body) {
			subtree = append(subtree, g.Body)
		}
		if !slices.Contains(parents, g.Body) {
			parents = append(parents, g.Body)
		}
		desks = append(desks, g.Body)
		if key := g.Body.String() + "/" + g.Duty; !seenDesk[key] {
			seenDesk[key] = true
			ways = append(ways, alias+".desk_body = "+w.arg(int64(g.Body))+" AND "+alias+".desk = "+w.arg(g.Duty))
		}
	}
	if len(desks) == 0 {
		return "1 = 0", nil
	}
	if len(subtree) > 0 {
		list := w.bodies(subtree)
		ways = append(ways,
			"EXISTS (SELECT 1 FROM body_above ba WHERE ba.body = "+alias+".body AND ba.above IN ("+list+"))",
			"EXISTS (SELECT 1 FROM body_above ba WHERE ba.body = "+alias+".concerned AND ba.above IN ("+list+"))")
	}
	ways = append(ways, alias+".overdue = 1 AND EXISTS (SELECT 1 FROM body_above ba WHERE ba.body = "+alias+
		".desk_body AND ba.depth = 1 AND ba.above IN ("+w.bodies(parents)+"))")
	if v.Account != 0 {
		me := w.arg(int64(v.Account))
		ways = append(ways,
			"EXISTS (SELECT 1 FROM assigned aa WHERE aa.matter = "+alias+".id AND aa.account = "+me+")",
			"EXISTS (SELECT 1 FROM did dd WHERE dd.matter = "+alias+".id AND dd.from_matter = "+alias+".id AND dd.account = "+me+")")
	}
	conds := []string{"(" + strings.Join(ways, " OR ") + ")"}
	for _, o := range officials(v) {
		me := w.arg(int64(o))
		conds = append(conds,
			alias+".subject <> "+me,
			"NOT EXISTS (SELECT 1 FROM allegation al WHERE al.matter = "+alias+".id AND al.official = "+me+")",
			"NOT EXISTS (SELECT 1 FROM party pa WHERE pa.matter = "+alias+".id AND pa.official = "+me+")")
	}
	return "(" + strings.Join(conds, " AND ") + ")", w.args
}

type where struct {
	next int
	args []any
}

func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	w.next++
	return "$" + strconv.Itoa(w.next-1)
}

func (w *where) bodies(ids []ref.BodyID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = w.arg(int64(id))
	}
	return strings.Join(out, ", ")
}
