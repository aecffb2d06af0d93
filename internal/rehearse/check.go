package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// check holds one statement to what is.
func (t *stage) check(ctx context.Context, l Line) error {
	return t.db.Read(ctx, func(tx *store.Tx) error {
		name := l.args[0]
		switch l.verb.name {
		case "sees", "not sees":
			return t.checkSees(ctx, tx, l)
		case "may", "may not":
			return t.checkMay(ctx, tx, l)
		case "works":
			name = l.args[1]
		}
		id, ok := t.matters[name]
		if !ok {
			return fmt.Errorf("no matter is called %s here", name)
		}
		s, err := t.engine.Load(ctx, tx, id)
		if err != nil {
			return err
		}
		switch l.verb.name {
		case "reads", "reads not":
			return t.checkReads(ctx, tx, l, s)
		case "opened":
			return t.checkOpened(ctx, tx, l, s)
		case "lies":
			return t.checkLies(ctx, tx, l, s)
		}
		t.checkState(l, s)
		return nil
	})
}

func (t *stage) checkState(l Line, s matter.State) {
	m := s.Matter
	switch l.verb.name {
	case "state":
		if m.State != l.args[1] {
			t.fail(l, "it is %s", m.State)
		}
	case "overdue":
		if m.Overdue == 0 {
			t.fail(l, "it is not overdue")
		}
	case "in time":
		if m.Overdue != 0 {
			t.fail(l, "it is overdue: clock %s", m.DueClock)
		}
	case "about":
		if id := t.officials[l.args[1]]; id == 0 || m.Subject != id {
			t.fail(l, "it is about %s", t.nameOf(m.Subject))
		}
	case "linked":
		other := t.matters[l.args[2]]
		if !slices.ContainsFunc(s.Links, func(k matter.Link) bool { return k.Kind == l.args[1]+"-of" && k.Other == other }) {
			t.fail(l, "it is not")
		}
	case "arises":
		other := t.matters[l.args[1]]
		if !slices.ContainsFunc(s.Links, func(k matter.Link) bool { return k.Kind == matter.LinkArisesFrom && k.Other == other }) {
			t.fail(l, "it does not")
		}
	case "unlinked":
		if len(s.Links) > 0 {
			t.fail(l, "it is tied to %d other matters", len(s.Links))
		}
	case "opened none":
		for _, k := range s.Links {
			if k.Kind == matter.LinkOpens && !slices.Contains(slices.Collect(maps.Values(t.matters)), k.Other) {
				t.fail(l, "it opened another matter")
			}
		}
	case "clock":
		t.checkClock(l, s)
	case "allegation":
		t.checkAllegation(l, s)
	case "has":
		data, err := m.Values()
		if err != nil {
			t.fail(l, "%s", err)
		}
		for name, want := range l.with {
			if got := fmt.Sprint(data[name]); got != fmt.Sprint(want) {
				t.fail(l, "%s is %s", name, got)
			}
		}
	case "works":
		id := t.people[l.args[0]]
		if id == 0 || !slices.ContainsFunc(s.Assigned, func(a matter.Assigned) bool { return a.Account == id }) {
			t.fail(l, "it is not assigned to %s", l.args[0])
		}
	case "anonymous":
		for _, p := range s.Parties {
			if p.Role == matter.RoleReporter && (p.Anonymous != 0) != (l.args[1] == "anonymous") {
				t.fail(l, "the record says otherwise")
			}
		}
	}
}

func (t *stage) checkClock(l Line, s matter.State) {
	c, ok := s.ClockOf(l.args[1])
	if !ok {
		t.fail(l, "there is no such clock")
		return
	}
	if c.State != l.args[2] {
		t.fail(l, "it is %s", c.State)
	}
	if l.args[3] == "" {
		return
	}
	until := c.Due
	if c.State == matter.ClockPaused {
		until = c.PauseEnd
	}
	if got := t.pack.Cal().Day(micros(until)).String(); got != l.args[3] {
		t.fail(l, "it ends on %s", got)
	}
}

func (t *stage) checkAllegation(l Line, s matter.State) {
	for _, a := range s.Allegations {
		if fmt.Sprint(a.No) != l.args[1] {
			continue
		}
		got := map[string]string{"official": t.nameOf(a.Official), "described": t.described(a.Described), "rank": a.Rank, "conduct": a.Conduct,
			"category": a.Category, "time": a.Time, "place": a.Place, "finding": a.Finding, "standard": a.Standard, "outcome": a.Outcome}
		for name, want := range l.with {
			if have, known := got[name]; !known || have != fmt.Sprint(want) {
				t.fail(l, "%s is %q", name, have)
			}
		}
		return
	}
	t.fail(l, "there is no allegation %s; there are %d", l.args[1], len(s.Allegations))
}

// described is how the scenario described somebody: the record says only where that is sealed.
func (t *stage) described(text string) string {
	if m, sealed := matter.ParseMention(text); sealed {
		return m.Of(t.said[spot{m.Matter, m.N}])
	}
	return text
}

func (t *stage) nameOf(id ref.OfficialID) string {
	for name, o := range t.officials {
		if o == id {
			return name
		}
	}
	if id == 0 {
		return "nobody"
	}
	return id.String()
}

func (t *stage) checkLies(ctx context.Context, tx *store.Tx, l Line, s matter.State) error {
	tree, err := t.engine.Tree(ctx, tx)
	if err != nil {
		return err
	}
	at := ""
	if b := tree.Body(s.Matter.DeskBody); b != nil {
		at = b.Code
	}
	if s.Matter.Desk != l.args[1] || at != l.args[2] {
		t.fail(l, "it lies with %s at %s", s.Matter.Desk, at)
	}
	return nil
}

// checkOpened finds a matter that another one opened and gives it a name.
func (t *stage) checkOpened(ctx context.Context, tx *store.Tx, l Line, s matter.State) error {
	for _, k := range s.Links {
		if k.Kind != matter.LinkOpens || slices.Contains(slices.Collect(maps.Values(t.matters)), k.Other) {
			continue
		}
		o, err := t.engine.Load(ctx, tx, k.Other)
		if err != nil {
			return err
		}
		if o.Matter.Kind == l.args[1] && (l.args[3] == "" || o.Matter.Subject == t.officials[l.args[3]]) {
			t.matters[l.args[2]] = k.Other
			return nil
		}
	}
	t.fail(l, "it did not")
	return nil
}

func (t *stage) checkSees(ctx context.Context, tx *store.Tx, l Line) error {
	v, err := t.viewer(ctx, tx, l.args[0])
	if err != nil {
		return err
	}
	id, ok := t.matters[l.args[1]]
	if !ok {
		return fmt.Errorf("no matter is called %s here", l.args[1])
	}
	f, err := t.engine.FactsOf(ctx, tx, id)
	if err != nil {
		return err
	}
	page, err := t.engine.List(ctx, tx, matter.Query{Viewer: v, Limit: 500})
	if err != nil {
		return err
	}
	listed := slices.ContainsFunc(page.Items, func(s matter.State) bool { return s.Matter.ID == id })
	if sees := access.CanSee(v, f); sees != listed {
		t.fail(l, "the check says %v, the list %v", sees, listed)
	} else if sees != (l.verb.name == "sees") {
		t.fail(l, "the rules of access say otherwise")
	}
	return nil
}

func (t *stage) checkMay(ctx context.Context, tx *store.Tx, l Line) error {
	v, err := t.viewer(ctx, tx, l.args[0])
	if err != nil {
		return err
	}
	id, ok := t.matters[l.args[2]]
	if !ok {
		return fmt.Errorf("no matter is called %s here", l.args[2])
	}
	why := ""
	choices, err := t.engine.Choices(ctx, tx, v, id)
	switch i := slices.IndexFunc(choices, func(c matter.Choice) bool { return c.Action.ID == l.args[1] }); {
	case err != nil && fault.KindOf(err) == fault.Internal:
		return err
	case err != nil:
		why = keyOf(err)
	case i < 0:
		why = "matter.not-now"
	case choices[i].Why != nil:
		why = choices[i].Why.Key
	}
	switch {
	case l.verb.name == "may" && why != "":
		t.fail(l, "it is refused: %s", why)
	case l.verb.name == "may not" && why != l.args[3]:
		t.fail(l, "the answer is %q", why)
	}
	return nil
}

func keyOf(err error) string {
	var key string
	if f, ok := err.(*fault.Error); ok {
		key = f.Key
	}
	return key
}

// checkReads looks at what the reporter is shown: the public text of the state, and what was written to them.
func (t *stage) checkReads(ctx context.Context, tx *store.Tx, l Line, s matter.State) error {
	code, ok := t.codes[l.args[0]]
	if !ok {
		return fmt.Errorf("nobody reported %s", l.args[0])
	}
	found, err := t.engine.ByChannel(ctx, tx, code)
	if err != nil {
		return err
	}
	var read []string
	if st := t.pack.Kind(found.Matter.Kind).State(found.Matter.State); st != nil {
		read = append(read, t.pack.Say(st.Public, t.pack.Languages[0]))
	}
	messages, err := t.engine.Messages(ctx, tx, vault.ReporterKeys(code), found.Matter.ID)
	if err != nil {
		return err
	}
	for _, m := range messages {
		var content map[string]any
		if err := json.Unmarshal(m.Content, &content); err != nil {
			return err
		}
		for _, v := range content {
			read = append(read, fmt.Sprint(v))
		}
	}
	has := slices.ContainsFunc(read, func(s string) bool { return strings.Contains(s, l.args[1]) })
	if has != (l.verb.name == "reads") {
		t.fail(l, "they read: %s", strings.Join(read, " | "))
	}
	return nil
}

func micros(us int64) time.Time { return time.UnixMicro(us) }
