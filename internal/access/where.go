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
	// Whom the viewer must not meet in a matter: themselves, those they are tied to, those they work with.
	if near := w.never(v); near != "" {
		conds = append(conds,
			"NOT ("+alias+".subject <> 0 AND "+alias+".subject IN ("+near+"))",
			"NOT EXISTS (SELECT 1 FROM allegation al WHERE al.matter = "+alias+".id AND al.official <> 0 AND al.official IN ("+near+"))",
			"NOT EXISTS (SELECT 1 FROM party pa WHERE pa.matter = "+alias+".id AND pa.official <> 0 AND pa.official IN ("+near+"))")
	}
	return "(" + strings.Join(conds, " AND ") + ")", w.args
}

// Hidden is a query of the ids of all matters that do not exist for v, because of whom they name: every Bar that forbids
// knowing of a matter. Its placeholders are numbered from firstArg on and filled by args. It is empty if there is nobody
// whom v must not meet.
func Hidden(v Viewer, firstArg int) (sql string, args []any) {
	w := where{next: firstArg}
	near := w.never(v)
	if near == "" {
		return "", nil
	}
	return "SELECT m.id FROM matter m WHERE m.subject <> 0 AND m.subject IN (" + near + ")" +
		" UNION ALL SELECT al.matter FROM allegation al WHERE al.official <> 0 AND al.official IN (" + near + ")" +
		" UNION ALL SELECT pa.matter FROM party pa WHERE pa.official <> 0 AND pa.official IN (" + near + ")", w.args
}

// never is every Bar that forbids knowing of a matter, as the set of officials whom such a matter names: a list, or a
// query that looks at nothing of the matter and is answered once; nothing if there is nobody.
func (w *where) never(v Viewer) string {
	var ids []ref.OfficialID
	add := func(o ref.OfficialID) {
		if o != 0 && !slices.Contains(ids, o) {
			ids = append(ids, o)
		}
	}
	for _, o := range officials(v) {
		add(o)
	}
	for _, t := range v.Ties {
		add(t.Official)
	}
	slices.Sort(ids)
	var list []string
	for _, o := range ids {
		list = append(list, w.arg(int64(o)))
	}
	colleagues := w.colleagues(v)
	switch {
	case colleagues == "":
		return strings.Join(list, ", ")
	case len(list) == 0:
		return colleagues
	}
	return "SELECT id FROM official WHERE id IN (" + strings.Join(list, ", ") + ") UNION ALL " + colleagues
}

// colleagues selects everybody who works in a unit of the viewer's now, commands it, or is commanded from it, under every
// entry they have in the register.
func (w *where) colleagues(v Viewer) string {
	var units, above, led []ref.BodyID
	for _, p := range v.Posts {
		if !current(p, v.Recusal.Today) {
			continue
		}
		units, above = append(units, p.Units...), append(above, p.Above...)
		if v.Recusal.leads(p.Rank) {
			led = append(led, p.Body)
		}
	}
	if len(units) == 0 {
		return ""
	}
	ways := []string{"p.body IN (" + w.bodies(distinct(units)) + ")"}
	if len(above) > 0 {
		way := "p.body IN (" + w.bodies(distinct(above)) + ")"
		if len(v.Recusal.Leads) > 0 {
			ranks := make([]string, len(v.Recusal.Leads))
			for i, rank := range v.Recusal.Leads {
				ranks[i] = w.arg(rank)
			}
			way += " AND p.rank IN (" + strings.Join(ranks, ", ") + ")"
		}
		ways = append(ways, way)
	}
	if len(led) > 0 {
		ways = append(ways, "p.body IN (SELECT ba.body FROM body_above ba JOIN body x ON x.id = ba.body JOIN body y ON y.id = ba.above WHERE ba.above IN ("+
			w.bodies(distinct(led))+") AND ba.depth > 0 AND x.sector = y.sector)")
	}
	held := "p.valid_to = ''"
	if v.Recusal.Today != "" {
		today := w.arg(v.Recusal.Today)
		held = "p.valid_from <= SUBSTR(" + today + ", 1, LENGTH(p.valid_from)) AND (p.valid_to = '' OR p.valid_to >= SUBSTR(" + today + ", 1, LENGTH(p.valid_to)))"
	}
	return "SELECT id FROM (WITH RECURSIVE near(id) AS (SELECT p.official FROM post p WHERE " + held + " AND (" + strings.Join(ways, " OR ") + ")" +
		" UNION SELECT e.other FROM near s JOIN (SELECT id AS one, merged_into AS other FROM official WHERE merged_into <> 0" +
		" UNION ALL SELECT merged_into, id FROM official WHERE merged_into <> 0) e ON e.one = s.id) SELECT id FROM near) colleague"
}

func distinct(ids []ref.BodyID) []ref.BodyID {
	out := slices.Clone(ids)
	slices.Sort(out)
	return slices.Compact(out)
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
