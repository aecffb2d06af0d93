package matter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

// Query asks for matters, in an order, page by page. Zero values do not filter. Only what the viewer may see is found,
// whatever is asked.
type Query struct {
	Viewer    access.Viewer
	Kind      string
	State     string
	Status    string     // "open", "closed" or empty
	Body      ref.BodyID // lies with this body or one below it
	Concerned ref.BodyID // is about this body or one below it
	Desk      string     // lies with this duty
	DeskBody  ref.BodyID // … at this body
	Overdue   bool
	Mine      bool // the viewer works on it
	Free      bool // nobody has been assigned
	From, To  string
	Conduct   string
	Category  string
	Finding   string
	Official  ref.OfficialID
	Imported  string // "yes", "no" or empty
	Text      string // a reference, a source's number, or words of officials' or bodies' names
	Sort      string // SortDue (default), SortReceived or SortChanged
	Desc      bool
	After     string // cursor of the page before
	Limit     int    // 50 if zero
}

// Orders of lists.
const (
	SortDue      = "due" // matters with a deadline first, the earliest on top
	SortReceived = "received"
	SortChanged  = "changed"
)

// Page is one page of a list.
type Page struct {
	Items []State
	Next  string // cursor of the next page; empty: this is the last one
	Count int    // of all pages, as far as it was counted
	More  bool   // there are more than Count
}

// countMost bounds counting: nobody reads the exact number of a list this long.
const countMost = 1000

// List returns a page of matters.
func (e *Engine) List(ctx context.Context, tx *store.Tx, q Query) (Page, error) {
	tree, err := e.trees.Tree(ctx, tx)
	if err != nil {
		return Page{}, err
	}
	return listMatters(ctx, tx, tree, q)
}

func listMatters(ctx context.Context, tx *store.Tx, tree *register.Tree, q Query) (Page, error) {
	if q.Limit <= 0 || q.Limit > 500 {
		q.Limit = 50
	}
	if q.Sort == "" {
		q.Sort = SortDue
	}
	c, err := compile(ctx, tx, tree, q)
	if err != nil {
		return Page{}, err
	}
	ids, next, err := c.page(ctx, tx, q)
	if err != nil {
		return Page{}, err
	}
	var p Page
	p.Next = next
	if p.Items, err = inOrder(ctx, tx, ids); err != nil {
		return Page{}, err
	}
	if p.Count, err = c.count(ctx, tx); err != nil {
		return Page{}, err
	}
	if p.Count > countMost {
		p.Count, p.More = countMost, true
	}
	return p, nil
}

// clause is the WHERE of a list, with its arguments.
type clause struct {
	conds []string
	args  []any
}

func (c *clause) arg(v any) string {
	c.args = append(c.args, v)
	return "$" + strconv.Itoa(len(c.args))
}

func (c *clause) add(cond string) { c.conds = append(c.conds, cond) }

func (c *clause) where() string { return strings.Join(c.conds, " AND ") }

// bodies is a list of placeholders.
func (c *clause) bodies(ids []ref.BodyID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = c.arg(int64(id))
	}
	return strings.Join(out, ", ")
}

func compile(ctx context.Context, tx *store.Tx, tree *register.Tree, q Query) (*clause, error) {
	c := &clause{}
	visible, args := access.Where(q.Viewer, "m", 1)
	c.args = append(c.args, args...)
	c.add(visible)
	if err := c.narrow(ctx, tx, tree, q); err != nil {
		return nil, err
	}
	equal := func(column, value string) {
		if value != "" {
			c.add("m." + column + " = " + c.arg(value))
		}
	}
	equal("kind", q.Kind)
	equal("state", q.State)
	equal("desk", q.Desk)
	switch q.Status {
	case "open":
		c.add("m.final = 0")
	case "closed":
		c.add("m.final = 1")
	}
	switch q.Imported {
	case "yes":
		c.add("m.source <> ''")
	case "no":
		c.add("m.source = ''")
	}
	if q.DeskBody != 0 {
		c.add("m.desk_body = " + c.arg(int64(q.DeskBody)))
	}
	if q.Overdue {
		c.add("m.overdue = 1")
	}
	if q.From != "" {
		c.add("m.received >= " + c.arg(q.From))
	}
	if q.To != "" {
		c.add("m.received < " + c.arg(dayAfter(q.To)))
	}
	if q.Body != 0 {
		c.add("m.body IN (SELECT body FROM body_above WHERE above = " + c.arg(int64(q.Body)) + ")")
	}
	if q.Concerned != 0 {
		c.add("m.concerned IN (SELECT body FROM body_above WHERE above = " + c.arg(int64(q.Concerned)) + ")")
	}
	if q.Mine {
		c.add("m.id IN (SELECT matter FROM assigned WHERE account = " + c.arg(int64(q.Viewer.Account)) + ")")
	}
	if q.Free {
		c.add("NOT EXISTS (SELECT 1 FROM assigned s WHERE s.matter = m.id)")
	}
	if q.Conduct != "" {
		// Rare conduct is looked up; common conduct is met soon enough on the way.
		var n int64
		if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM allegation WHERE conduct = $1 LIMIT "+strconv.Itoa(narrowMost+1)+") c", q.Conduct).Scan(&n); err != nil {
			return nil, fmt.Errorf("matter: list: %w", err)
		}
		if n <= narrowMost {
			c.add("m.id IN (SELECT matter FROM allegation WHERE conduct = " + c.arg(q.Conduct) + ")")
			q.Conduct = ""
		}
	}
	for column, value := range map[string]string{"conduct": q.Conduct, "category": q.Category, "finding": q.Finding} {
		if value != "" {
			c.add("EXISTS (SELECT 1 FROM allegation g WHERE g.matter = m.id AND g." + column + " = " + c.arg(value) + ")")
		}
	}
	if q.Official != 0 {
		c.named([]ref.OfficialID{q.Official})
	}
	if q.Text != "" {
		if err := c.text(ctx, tx, tree, q.Text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// dayAfter is a bound for dates, which may be of reduced precision: everything up to the end of what to says.
func dayAfter(to string) string {
	d, err := calendar.ParseDate(to)
	if err != nil {
		return to + "~"
	}
	return d.Latest().AddDays(1).String()
}

// narrowMost is how many matters somebody may be able to see for their list to be looked up from there. Whoever sees
// more finds a page quickly by walking along the order asked for.
const narrowMost = 20000

// narrow helps the database where the viewer sees few of many matters: it names where those can be at all.
func (c *clause) narrow(ctx context.Context, tx *store.Tx, tree *register.Tree, q Query) error {
	var below []ref.BodyID
	for _, g := range q.Viewer.Grants {
		if g.Sees == access.SeesSubtree {
			below = append(below, subtree(tree, g.Body, 400-len(below))...)
		}
	}
	if len(below) >= 400 {
		return nil
	}
	try := &clause{}
	var ways []string
	if len(below) > 0 {
		ways = append(ways, "SELECT id FROM matter WHERE body IN ("+try.bodies(below)+")",
			"SELECT id FROM matter WHERE concerned IN ("+try.bodies(below)+")")
	}
	for _, g := range q.Viewer.Grants {
		if g.Sees != access.SeesSubtree && g.Sees != access.SeesDesk {
			continue
		}
		ways = append(ways, "SELECT id FROM matter WHERE desk_body = "+try.arg(int64(g.Body))+" AND desk = "+try.arg(g.Duty))
		if under := tree.Children(g.Body); len(under) > 0 && len(under) < 200 {
			ways = append(ways, "SELECT id FROM matter WHERE final = 0 AND due > 0 AND overdue = 1 AND desk_body IN ("+try.bodies(under)+")")
		}
	}
	me := int64(q.Viewer.Account)
	ways = append(ways, "SELECT matter FROM assigned WHERE account = "+try.arg(me), "SELECT matter FROM did WHERE account <> 0 AND account = "+try.arg(me))
	union := strings.Join(ways, " UNION ALL ") // counted as they come: sorting out doubles would read them all
	var n int64
	if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM ("+union+") u LIMIT "+strconv.Itoa(narrowMost+1)+") c", try.args...).Scan(&n); err != nil {
		return fmt.Errorf("matter: list: %w", err)
	}
	if n > narrowMost {
		return nil
	}
	shift := len(c.args)
	c.args = append(c.args, try.args...)
	c.add("m.id IN (" + renumber(union, shift) + ")")
	return nil
}

// renumber moves the placeholders of a text behind those before it.
func renumber(s string, by int) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' {
			b.WriteByte(s[i])
			continue
		}
		j := i + 1
		for j < len(s) && s[j] >= '0' && s[j] <= '9' {
			j++
		}
		n, _ := strconv.Atoi(s[i+1 : j]) // only our own texts come here, and they write numbers after $
		b.WriteString("$" + strconv.Itoa(n+by))
		i = j - 1
	}
	return b.String()
}

func subtree(t *register.Tree, top ref.BodyID, most int) []ref.BodyID {
	out := []ref.BodyID{top}
	for i := 0; i < len(out) && len(out) < most; i++ {
		out = append(out, t.Children(out[i])...)
	}
	return out
}

// named restricts to matters that name one of the officials.
func (c *clause) named(ids []ref.OfficialID) { c.add(c.namedCond(ids)) }

func (c *clause) namedCond(ids []ref.OfficialID) string {
	list := func() string {
		out := make([]string, len(ids))
		for i, id := range ids {
			out[i] = c.arg(int64(id))
		}
		return strings.Join(out, ", ")
	}
	return "m.id IN (SELECT matter FROM allegation WHERE official <> 0 AND official IN (" + list() + ") UNION " +
		"SELECT matter FROM party WHERE official <> 0 AND official IN (" + list() + ") UNION " +
		"SELECT id FROM matter WHERE subject <> 0 AND subject IN (" + list() + "))"
}

// text finds matters by what people know of them: the reference, the source's own number, or a name.
func (c *clause) text(ctx context.Context, tx *store.Tx, tree *register.Tree, text string) error {
	text = strings.TrimSpace(text)
	ways := []string{"m.id IN (SELECT id FROM matter WHERE source <> '' AND source_key = " + c.arg(text) + ")"}
	if r, err := ref.ParseReference(text); err == nil { // names and foreign numbers may look like one, too
		ways = append(ways, "m.ref = "+c.arg(string(r)))
	}
	found, err := register.SearchOfficials(ctx, tx, text, 100)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		var ids []ref.OfficialID
		for _, o := range found {
			ids = append(ids, o.ID)
		}
		ways = append(ways, c.namedCond(ids))
	}
	if bodies := tree.Search(text, 50); len(bodies) > 0 {
		var ids []ref.BodyID
		for _, b := range bodies {
			ids = append(ids, b.ID)
		}
		ways = append(ways, "m.concerned IN ("+c.bodies(ids)+")")
	}
	c.add("(" + strings.Join(ways, " OR ") + ")")
	return nil
}

func (c *clause) count(ctx context.Context, tx *store.Tx) (int, error) {
	var n int
	err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM (SELECT 1 AS one FROM matter m WHERE "+c.where()+" LIMIT "+strconv.Itoa(countMost+1)+") c", c.args...).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("matter: count: %w", err)
	}
	return n, nil
}

// leg is one stretch of an order, walked along one index.
type leg struct {
	column string
	also   string // a condition the stretch is about
}

func legs(sort string) []leg {
	switch sort {
	case SortReceived:
		return []leg{{column: "received"}}
	case SortChanged:
		return []leg{{column: "changed"}}
	}
	return []leg{{column: "due", also: "m.final = 0 AND m.due > 0"}, {column: "changed", also: "m.due = 0"}}
}

// page returns the ids of a page, and the cursor of the next. A cursor is "leg.value.id" of the last matter shown.
func (c *clause) page(ctx context.Context, tx *store.Tx, q Query) (ids []ref.MatterID, next string, err error) {
	at, value, last, err := readCursor(q.After)
	if err != nil {
		return nil, "", err
	}
	all := legs(q.Sort)
	if at >= len(all) {
		return nil, "", fault.New(fault.Invalid, "list.cursor", nil)
	}
	want := q.Limit + 1
	type found struct {
		leg   int
		value string
		id    ref.MatterID
	}
	var got []found
	for ; at < len(all) && len(got) < want; at++ {
		l := all[at]
		part := &clause{conds: slices.Clone(c.conds), args: slices.Clone(c.args)}
		if l.also != "" {
			part.add(l.also)
		}
		desc := q.Desc || l.column == "changed" && q.Sort == SortDue // those without a deadline: the newest first
		than, order := ">", "ASC"
		if desc {
			than, order = "<", "DESC"
		}
		if last != 0 {
			var bound any = value
			if l.column != "received" {
				if bound, err = strconv.ParseInt(value, 10, 64); err != nil {
					return nil, "", fault.New(fault.Invalid, "list.cursor", nil)
				}
			}
			part.add("(m." + l.column + ", m.id) " + than + " (" + part.arg(bound) + ", " + part.arg(int64(last)) + ")")
			last = 0
		}
		rows, err := tx.Query(ctx, "SELECT m.id, m."+l.column+" FROM matter m WHERE "+part.where()+" ORDER BY m."+l.column+" "+order+", m.id "+order+
			" LIMIT "+strconv.Itoa(want-len(got)), part.args...)
		if err != nil {
			return nil, "", fmt.Errorf("matter: list: %w", err)
		}
		some, err := store.Collect(rows, func(r *store.Rows) (f found, err error) {
			f.leg = at
			return f, r.Scan(&f.id, &f.value)
		})
		if err != nil {
			return nil, "", fmt.Errorf("matter: list: %w", err)
		}
		got = append(got, some...)
	}
	if len(got) == want {
		f := got[want-2]
		next = strconv.Itoa(f.leg) + "." + f.value + "." + f.id.String()
		got = got[:want-1]
	}
	for _, f := range got {
		ids = append(ids, f.id)
	}
	return ids, next, nil
}

func readCursor(s string) (leg int, value string, id ref.MatterID, err error) {
	if s == "" {
		return 0, "", 0, nil
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return 0, "", 0, fault.New(fault.Invalid, "list.cursor", nil)
	}
	leg, err1 := strconv.Atoi(parts[0])
	n, err2 := strconv.ParseInt(parts[2], 10, 64)
	if err1 != nil || err2 != nil || leg < 0 || n <= 0 {
		return 0, "", 0, fault.New(fault.Invalid, "list.cursor", nil)
	}
	return leg, parts[1], ref.MatterID(n), nil
}

func inOrder(ctx context.Context, tx *store.Tx, ids []ref.MatterID) ([]State, error) {
	found, err := LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]State, 0, len(ids))
	for _, id := range ids {
		if s, ok := found[id]; ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// Work is what a person has to do, by clock.
type Work struct {
	Overdue []State // a clock has run out
	Today   []State // due today
	Week    []State // due by the end of the week
	Later   []State // due later, or with no deadline of ours
	Waiting []State // I have worked on it, and now it is with others
	Below   []State // with a desk one level down, whose clock has run out
}

// workMost bounds each part of the overview; queues show the rest.
const workMost = 100

// MyWork returns the matters on the viewer's desks and those they are assigned to, by clock.
func (e *Engine) MyWork(ctx context.Context, tx *store.Tx, v access.Viewer, now time.Time, cal *calendar.Calendar) (Work, error) {
	tree, err := e.trees.Tree(ctx, tx)
	if err != nil {
		return Work{}, err
	}
	var w Work
	mine, err := e.myOpen(ctx, tx, tree, v)
	if err != nil {
		return Work{}, err
	}
	today := cal.End(cal.Day(now)).UnixMicro()
	week := cal.End(endOfWeek(cal.Day(now))).UnixMicro()
	for _, s := range mine {
		m := s.Matter
		switch {
		case !onDesk(v, m) && !leads(v, s):
			if m.Overdue != 0 && isBelow(v, tree, m) {
				w.Below = append(w.Below, s)
			} else {
				w.Waiting = append(w.Waiting, s)
			}
		case m.Overdue != 0 || m.Due > 0 && m.Due < now.UnixMicro():
			w.Overdue = append(w.Overdue, s)
		case m.Due > 0 && m.Due <= today:
			w.Today = append(w.Today, s)
		case m.Due > 0 && m.Due <= week:
			w.Week = append(w.Week, s)
		case m.Due == 0:
			w.Waiting = append(w.Waiting, s)
		default:
			w.Later = append(w.Later, s)
		}
	}
	for _, part := range []*[]State{&w.Overdue, &w.Today, &w.Week, &w.Later, &w.Waiting, &w.Below} {
		*part = (*part)[:min(len(*part), workMost)]
	}
	return w, nil
}

func endOfWeek(d calendar.Date) calendar.Date { return d.AddDays((7 - int(d.Weekday())) % 7) }

func onDesk(v access.Viewer, m Row) bool {
	return slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return g.Duty == m.Desk && g.Body == m.DeskBody })
}

func leads(v access.Viewer, s State) bool {
	return slices.ContainsFunc(s.Assigned, func(a Assigned) bool { return a.Account == v.Account && a.Duty == s.Matter.Desk })
}

func isBelow(v access.Viewer, t *register.Tree, m Row) bool {
	b := t.Body(m.DeskBody)
	return b != nil && b.Parent != 0 && slices.ContainsFunc(v.Grants, func(g access.Grant) bool { return g.Body == b.Parent && g.Sees != access.SeesNone })
}

// myOpen finds the open matters on the viewer's desks, those they are assigned to or have acted on, and overdue ones
// one level down, the most urgent first.
func (e *Engine) myOpen(ctx context.Context, tx *store.Tx, tree *register.Tree, v access.Viewer) ([]State, error) {
	c := &clause{}
	visible, args := access.Where(v, "m", 1)
	c.args = append(c.args, args...)
	c.add(visible)
	c.add("m.final = 0")
	me := int64(v.Account)
	ways := []string{"SELECT matter FROM assigned WHERE account = " + c.arg(me), "SELECT matter FROM did WHERE account <> 0 AND account = " + c.arg(me)}
	for _, g := range v.Grants {
		if g.Sees == access.SeesNone || g.Body == 0 {
			continue
		}
		ways = append(ways, "SELECT id FROM matter WHERE desk_body = "+c.arg(int64(g.Body))+" AND desk = "+c.arg(g.Duty)+" AND final = 0")
		if under := tree.Children(g.Body); len(under) > 0 && len(under) <= 500 {
			ways = append(ways, "SELECT id FROM matter WHERE overdue = 1 AND final = 0 AND due > 0 AND desk_body IN ("+c.bodies(under)+")")
		}
	}
	c.add("m.id IN (" + strings.Join(ways, " UNION ") + ")")
	found, err := tx.Query(ctx, "SELECT m.id FROM matter m WHERE "+c.where()+
		" ORDER BY CASE WHEN m.due = 0 THEN 1 ELSE 0 END, m.due, m.id LIMIT "+strconv.Itoa(6*workMost), c.args...)
	if err != nil {
		return nil, fmt.Errorf("matter: my work: %w", err)
	}
	ids, err := store.Collect(found, func(r *store.Rows) (id ref.MatterID, err error) { return id, r.Scan(&id) })
	if err != nil {
		return nil, fmt.Errorf("matter: my work: %w", err)
	}
	return inOrder(ctx, tx, ids)
}

// OverdueAtTop counts the overdue matters whose desk has nothing above it: for them the public page is the level above,
// by number only.
func OverdueAtTop(ctx context.Context, tx *store.Tx) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM matter m WHERE m.final = 0 AND m.due > 0 AND m.overdue = 1
		AND NOT EXISTS (SELECT 1 FROM body b WHERE b.id = m.desk_body AND b.parent <> 0)`).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("matter: overdue: %w", err)
	}
	return n, nil
}

// DueSoon reports whether the next deadline of a matter is so near that its clock warns.
func (e *Engine) DueSoon(m Row, now time.Time) bool {
	p, k, err := e.PackOf(m)
	if err != nil || k == nil || m.Due == 0 {
		return false
	}
	c := k.Clock(m.DueClock)
	return c != nil && !c.Warn.IsZero() && !now.Before(p.Cal().Before(instant(m.Due).Time(), c.Warn))
}
