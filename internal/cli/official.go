package cli

import (
	"cmp"
	"context"
	"strings"

	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

type officialCmd struct {
	Add    officialAddCmd    `cmd:"" help:"Enter an official with a post."`
	List   officialListCmd   `cmd:"" help:"Find officials by name, number or body."`
	Rename officialRenameCmd `cmd:"" help:"Give an official another name from a day on."`
	Post   officialPostCmd   `cmd:"" help:"Record a further post, ending the one before if asked."`
	Leave  officialLeaveCmd  `cmd:"" help:"Record the last day of a post."`
	Merge  officialMergeCmd  `cmd:"" help:"Record that two entries are one person."`

	Relate   officialRelateCmd   `cmd:"" help:"Declare that two people are relatives."`
	Interest officialInterestCmd `cmd:"" help:"Declare that one has an interest in the affairs of the other."`
	Ties     officialTiesCmd     `cmd:"" help:"List what was declared of somebody."`
	Untie    officialUntieCmd    `cmd:"" help:"Record the last day of what was declared."`
}

func (officialCmd) Help() string { return helpText("official") }

// officialID is how commands name an official: names are not unique.
type officialID struct {
	ID ref.OfficialID `arg:"" name:"id" help:"Number of the official, from plumbline official list."`
}

type postFlags struct {
	Body  string        `name:"body" required:"" placeholder:"CODE" help:"Body of the post."`
	Title string        `name:"title" help:"Title of the post."`
	Rank  string        `name:"rank" help:"Rank, as in the pack."`
	From  calendar.Date `name:"from" placeholder:"DATE" help:"First day in the post; a year or a month is enough."`
}

// post reads the flags against the pack and the bodies there are.
func (f postFlags) post(ctx context.Context, tx *store.Tx, a *app) (register.Post, error) {
	if f.Rank != "" {
		var ranks []string
		for _, r := range a.office.Active().Ranks {
			ranks = append(ranks, r.ID)
		}
		if _, err := choose("rank", f.Rank, ranks); err != nil {
			return register.Post{}, err
		}
	}
	b, err := register.BodyByCode(ctx, tx, f.Body)
	return register.Post{Body: b.ID, Title: f.Title, Rank: f.Rank, From: f.From.String()}, err
}

type officialAddCmd struct {
	dbFlag
	Name string `arg:"" help:"Name."`
	postFlags
	Source string `name:"source" help:"Register the number comes from, such as a staff list."`
	Key    string `name:"key" help:"Number in that register, which never changes."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (officialAddCmd) Help() string { return helpText("official-add") }

func (c *officialAddCmd) Run(ctx context.Context, t *terminal) error {
	name := strings.TrimSpace(c.Name)
	if name == "" {
		return problemf(fault.Invalid, "the name is empty")
	}
	if (c.Source == "") != (c.Key == "") {
		return problemf(fault.Invalid, "--source and --key go together: the register, and the official's number in it")
	}
	var id ref.OfficialID
	err := c.change(ctx, t, func(a *app, tx *store.Tx) error {
		id = ref.OfficialID(a.db.NewID())
		if c.Key != "" {
			_, err := register.OfficialBySource(ctx, tx, c.Source, c.Key)
			if err == nil {
				return problemf(fault.Conflict, "%s already has an official %s", c.Source, c.Key)
			}
			if !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		post, err := c.post(ctx, tx, a)
		if err != nil {
			return err
		}
		_, err = register.AddOfficial(ctx, tx, a.registerBy(), register.Official{
			ID: id, Name: name, Identified: 1, Source: c.Source, SourceKey: c.Key, Posts: []register.Post{post},
		})
		return err
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(listedOfficial{ID: id, Name: name})
	}
	t.print("Entered %s as number %s.", name, id)
	return nil
}

// change opens the office, does one thing to the register in a transaction, and brings everything that follows up to date.
func (d *dbFlag) change(ctx context.Context, t *terminal, do func(*app, *store.Tx) error) (err error) {
	a, err := d.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	if err := a.db.Tx(ctx, func(tx *store.Tx) error { return do(a, tx) }); err != nil {
		return err
	}
	return a.catchUp(ctx, t, true)
}

type officialListCmd struct {
	dbFlag
	Search string `arg:"" optional:"" help:"Part of a name, or a number."`
	Body   string `name:"body" placeholder:"CODE" help:"Only those with a post at this body now."`
	Limit  int    `name:"limit" default:"100" help:"How many at most."`
	Lang   string `name:"lang" default:"en" help:"Language of the names of bodies."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

func (officialListCmd) Help() string { return helpText("official-list") }

type listedOfficial struct {
	ID     ref.OfficialID `json:"id,string"`
	Name   string         `json:"name"`
	Source string         `json:"source,omitempty"`
	Key    string         `json:"key,omitempty"`
	Posts  []listedPost   `json:"posts,omitempty"`
}

type listedPost struct {
	No    int64  `json:"no"`
	Body  string `json:"body"`
	Title string `json:"title,omitempty"`
	Rank  string `json:"rank,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

func (c *officialListCmd) Run(ctx context.Context, t *terminal) (err error) {
	if c.Search == "" && c.Body == "" {
		return problemf(fault.Invalid, "say whom to look for: part of a name, a number, or --body CODE")
	}
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	var found []register.Official
	var tree *register.Tree
	err = a.db.Read(ctx, func(tx *store.Tx) error {
		if tree, err = register.LoadTree(ctx, tx); err != nil {
			return err
		}
		var at ref.BodyID
		if c.Body != "" {
			b, err := register.BodyByCode(ctx, tx, c.Body)
			if err != nil {
				return err
			}
			at = b.ID
		}
		if c.Search == "" {
			found, err = register.OfficialsAt(ctx, tx, at, c.Limit)
			return err
		}
		if found, err = register.SearchOfficials(ctx, tx, c.Search, c.Limit); err != nil || at == 0 {
			return err
		}
		kept := found[:0]
		for _, o := range found {
			if p, ok := o.PostAt(a.accounts.Today()); ok && p.Body == at {
				kept = append(kept, o)
			}
		}
		found = kept
		return nil
	})
	if err != nil {
		return err
	}
	out := []listedOfficial{}
	tab := newTable("Number", "Name", "Post", "Body", "From", "To", "Key")
	for _, o := range found {
		one := listedOfficial{ID: o.ID, Name: o.Name, Source: o.Source, Key: o.SourceKey}
		for i, p := range o.Posts {
			lp := listedPost{No: p.No, Title: p.Title, Rank: p.Rank, From: p.From, To: p.To}
			name := ""
			if b := tree.Body(p.Body); b != nil {
				lp.Body, name = b.Code, b.Called(c.Lang, a.accounts.Today())
			}
			one.Posts = append(one.Posts, lp)
			if i == 0 {
				tab.add(o.ID.String(), o.Name, postName(p), name, p.From, p.To, o.SourceKey)
			} else {
				tab.add("", "", postName(p), name, p.From, p.To, "")
			}
		}
		if len(o.Posts) == 0 {
			tab.add(o.ID.String(), o.Name, "", "", "", "", o.SourceKey)
		}
		out = append(out, one)
	}
	if c.JSON {
		return t.json(out)
	}
	tab.write(t.out)
	t.note("%s", plural(int64(len(out)), "official", "officials"))
	return nil
}

func postName(p register.Post) string {
	if p.Title != "" {
		return p.Title
	}
	return p.Rank
}

type officialRenameCmd struct {
	dbFlag
	officialID
	Name string        `arg:"" help:"New name."`
	From calendar.Date `name:"from" placeholder:"DATE" help:"First day of the new name; today if absent."`
}

func (officialRenameCmd) Help() string { return helpText("official-rename") }

func (c *officialRenameCmd) Run(ctx context.Context, t *terminal) error {
	var from string
	err := c.change(ctx, t, func(a *app, tx *store.Tx) error {
		from = cmp.Or(c.From.String(), a.accounts.Today())
		_, err := register.RenameOfficial(ctx, tx, a.registerBy(), c.ID, c.Name, from)
		return err
	})
	if err == nil {
		t.print("%s is called %s from %s on; the old name stays in the history.", c.ID, c.Name, from)
	}
	return err
}

type officialPostCmd struct {
	dbFlag
	officialID
	postFlags
	Ends int64 `name:"ends" placeholder:"NO" help:"Number of the post that ends the day before."`
}

func (officialPostCmd) Help() string { return helpText("official-post") }

func (c *officialPostCmd) Run(ctx context.Context, t *terminal) error {
	if c.Ends != 0 && !c.From.Exact() {
		return problemf(fault.Invalid, "--ends needs --from with a whole date, such as 2026-01-31: the old post ends the day before")
	}
	var now register.Official
	err := c.change(ctx, t, func(a *app, tx *store.Tx) error {
		if c.Ends != 0 {
			if _, err := register.EndPost(ctx, tx, a.registerBy(), c.ID, c.Ends, c.From.AddDays(-1).String()); err != nil {
				return err
			}
		}
		post, err := c.post(ctx, tx, a)
		if err != nil {
			return err
		}
		now, err = register.AddPost(ctx, tx, a.registerBy(), c.ID, post)
		return err
	})
	if err == nil {
		t.print("%s now has %s.", now.Name, plural(int64(len(now.Posts)), "post", "posts"))
	}
	return err
}

type officialLeaveCmd struct {
	dbFlag
	officialID
	No int64         `arg:"" help:"Number of the post, from plumbline official list --json; the first is 1."`
	To calendar.Date `name:"to" placeholder:"DATE" help:"Last day in the post; today if absent."`
}

func (officialLeaveCmd) Help() string { return helpText("official-leave") }

func (c *officialLeaveCmd) Run(ctx context.Context, t *terminal) error {
	var to string
	err := c.change(ctx, t, func(a *app, tx *store.Tx) error {
		to = cmp.Or(c.To.String(), a.accounts.Today())
		_, err := register.EndPost(ctx, tx, a.registerBy(), c.ID, c.No, to)
		return err
	})
	if err == nil {
		t.print("Post %d of %s has ended on %s.", c.No, c.ID, to)
	}
	return err
}

type officialMergeCmd struct {
	dbFlag
	officialID
	Into ref.OfficialID `arg:"" help:"Number of the entry that carries on."`
	Yes  bool           `name:"yes" short:"y" help:"Do not ask. A merge cannot be taken back."`
}

func (officialMergeCmd) Help() string { return helpText("official-merge") }

func (c *officialMergeCmd) Run(ctx context.Context, t *terminal) (err error) {
	if !c.Yes {
		answer, err := t.ask("A merge cannot be taken back. Type yes to merge "+c.ID.String()+" into "+c.Into.String(), "--yes")
		if err != nil {
			return err
		}
		if answer != "yes" {
			return problemf(fault.Invalid, "nothing was merged")
		}
	}
	err = c.change(ctx, t, func(a *app, tx *store.Tx) error {
		_, err := register.MergeOfficial(ctx, tx, a.registerBy(), c.ID, c.Into)
		return err
	})
	if err == nil {
		t.print("%s and %s are one person; %s carries on.", c.ID, c.Into, c.Into)
	}
	return err
}
