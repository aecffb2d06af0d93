// Package demo fills an empty database with an invented region: its institutions and offices, the people who work
// there, and a year of reports, cases and proceedings at every stage.
//
// Nothing is written past the engine: every step is taken by the person who may take it, on the day it happened, by a
// simulated clock that lets deadlines run out in between. So the demo is also a long journey through the whole, and it
// fails where a step is not allowed. No place and nobody in it exists.
package demo

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"plumbline/internal/access"
	"plumbline/internal/account"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/store"
)

// Pack is the pack the demo runs under.
const Pack = "generic"

// Password is everybody's. It is printed, and good for nothing but a demo.
const Password = "plumb-line-demo"

//go:embed data/world.yaml
var worldYAML []byte

//go:embed data/stories.yaml
var storiesYAML []byte

type world struct {
	Bodies []struct {
		Code, Parent, Level, Sector string
		Names                       map[string]string
	}
	People    []Person
	Officials []struct {
		Key, Name string
		Posts     []struct{ Body, Title, Rank, From string }
	}
}

// A Person is somebody who works in the demo.
type Person struct {
	Login  string
	Name   string
	Lang   string
	Grants []string // "intake@lanmere"
	Show   string   // what they are there to show; empty for those who are not printed
}

type texts struct{ Reasons, Answer, Message, Grounds string }

type story struct {
	Kind   string // of what is filed; a report if empty
	Key    string
	Lang   string
	Report map[string]any
	Steps  []step
}

type step struct {
	Day  int
	By   string // login, or "reporter"
	On   string // kind; "report" if empty
	Do   string
	Lead string
	With map[string]any
}

// People are the sign-ins that show one person for each role.
func People() ([]Person, error) {
	w, err := readWorld()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(w.People, func(p Person) bool { return p.Show == "" }), nil
}

func readWorld() (world, error) {
	var w world
	if err := yaml.NewDecoder(bytes.NewReader(worldYAML), yaml.DisallowUnknownField()).Decode(&w); err != nil {
		return w, fmt.Errorf("demo: world: %w", err)
	}
	return w, nil
}

// A Clock is a simulated time of day.
type Clock struct{ now time.Time }

// Now is the simulated time.
func (c *Clock) Now() time.Time { return c.now }

// Reset sets the simulated time to a year and a half before now, where the demo begins.
func (c *Clock) Reset(now time.Time) { c.now = now.AddDate(0, 0, -400) }

// Office is the empty office that Fill fills. Everything in it runs by Clock.
type Office struct {
	DB       *store.DB
	Office   *office.Office
	Accounts *account.Accounts
	Engine   *matter.Engine
	Clock    *Clock
}

// Fill makes the demo as it stands at now. The same day gives the same demo, but for the random references.
// progress, if given, is told how many steps are done.
func Fill(ctx context.Context, o Office, now time.Time, progress func(done, total int64)) error {
	f := &filler{Office: o, end: now, rand: rand.New(rand.NewPCG(1, 2)), officials: map[string]ref.OfficialID{},
		accounts: map[string]ref.AccountID{}, bodies: map[string]ref.BodyID{}, matters: map[string]ref.Reference{}}
	w, err := readWorld()
	if err != nil {
		return err
	}
	if err := yaml.NewDecoder(bytes.NewReader(storiesYAML), yaml.DisallowUnknownField()).Decode(&f.told); err != nil {
		return fmt.Errorf("demo: stories: %w", err)
	}
	o.Clock.Reset(now)
	if err := f.found(ctx, w); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return f.tell(ctx, progress)
}

type filler struct {
	Office
	end  time.Time
	rand *rand.Rand
	told struct {
		Texts   map[string]texts
		Stories []story
	}
	pack      *pack.Pack
	bodies    map[string]ref.BodyID
	officials map[string]ref.OfficialID
	accounts  map[string]ref.AccountID
	matters   map[string]ref.Reference // stories with a key
}

var operator = journal.Actor{Duty: "operator"}

// found loads the rules and enters bodies, officials and people.
func (f *filler) found(ctx context.Context, w world) error {
	p, err := pack.Bundled(Pack)
	if err != nil {
		return err
	}
	if err := f.Office.Office.Load(ctx, operator, journal.ViaCLI, p, true); err != nil {
		return err
	}
	f.pack = p
	by := register.By{Actor: operator, Via: journal.ViaCLI, At: f.Clock.Now(), Pack: p.ID()}
	system := account.System(journal.ViaCLI)
	hash, err := f.Accounts.HashPassword(ctx, Password) // one for all: a demo has no secrets, and the hash is slow on purpose
	if err != nil {
		return err
	}
	return f.DB.Tx(ctx, func(tx *store.Tx) error {
		for _, b := range w.Bodies {
			body := register.Body{ID: ref.BodyID(f.DB.NewID()), Code: b.Code, Parent: f.bodies[b.Parent], Level: b.Level, Sector: b.Sector}
			for _, lang := range p.Languages {
				body.Names = append(body.Names, register.Name{Lang: lang, Name: b.Names[lang]})
			}
			if _, err := register.AddBody(ctx, tx, by, body); err != nil {
				return fmt.Errorf("body %s: %w", b.Code, err)
			}
			f.bodies[b.Code] = body.ID
		}
		for _, x := range w.Officials {
			o := register.Official{ID: ref.OfficialID(f.DB.NewID()), Source: "demo", SourceKey: x.Key, Name: x.Name, Identified: 1}
			for i, post := range x.Posts {
				o.Posts = append(o.Posts, register.Post{No: int64(i + 1), Body: f.bodies[post.Body], Title: post.Title, Rank: post.Rank, From: post.From, Source: "demo"})
			}
			if _, err := register.AddOfficial(ctx, tx, by, o); err != nil {
				return fmt.Errorf("official %s: %w", x.Key, err)
			}
			f.officials[x.Key] = o.ID
		}
		for _, x := range w.People {
			id, err := f.Accounts.Create(ctx, tx, system, account.CreateCmd{Login: x.Login, Name: x.Name, Lang: x.Lang})
			if err == nil {
				err = f.Accounts.SetHash(ctx, tx, system, id, hash, false)
			}
			if err != nil {
				return fmt.Errorf("account %s: %w", x.Login, err)
			}
			f.accounts[x.Login] = id
			for _, g := range x.Grants {
				duty, body, _ := strings.Cut(g, "@")
				if err := f.Accounts.Grant(ctx, tx, system, account.GrantCmd{Account: id, Duty: duty, Body: f.bodies[body]}); err != nil {
					return fmt.Errorf("account %s: %s: %w", x.Login, g, err)
				}
			}
		}
		return nil
	})
}

// event is one thing that happens, at its time.
type event struct {
	at    time.Time
	story *running
	step  *step // nil: the report itself
}

// running is a story as it unfolds.
type running struct {
	*story
	no    int
	texts texts
	code  ref.ReceiptCode
	root  ref.MatterID
}

// tell takes all steps of all stories in the order of time.
func (f *filler) tell(ctx context.Context, progress func(done, total int64)) error {
	var events []event
	for i := range f.told.Stories {
		r := &running{story: &f.told.Stories[i], no: i, texts: f.told.Texts[f.told.Stories[i].Lang]}
		day, err := number(r.Report["day"])
		if err != nil {
			return fmt.Errorf("demo: story %d: day: %w", i, err)
		}
		at := f.hour(day, 7, 22)
		events = append(events, event{at: at, story: r})
		for j := range r.Steps {
			s := &r.Steps[j]
			next := f.hour(s.Day, 9, 17)
			if s.By != "reporter" {
				next = f.workday(next)
			}
			if !next.After(at) {
				next = at.Add(time.Hour)
			}
			at = next
			events = append(events, event{at, r, s})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.story.no, b.story.no)) })
	for i, e := range events {
		if progress != nil {
			progress(int64(i), int64(len(events)))
		}
		if e.at.After(f.end) {
			continue // it will happen later today
		}
		if err := f.pass(ctx, e.at); err != nil {
			return err
		}
		if err := f.happen(ctx, e); err != nil {
			what := "report"
			if e.step != nil {
				what = e.step.Do + " by " + e.step.By
			}
			return fmt.Errorf("demo: story %d, %s, %s: %w", e.story.no+1, e.at.Format(time.DateOnly), what, err)
		}
	}
	if progress != nil {
		progress(int64(len(events)), int64(len(events)))
	}
	return f.pass(ctx, f.end)
}

// pass lets time go by, day by day, and clocks run out when they do.
func (f *filler) pass(ctx context.Context, to time.Time) error {
	for f.Clock.now.Before(to) {
		f.Clock.now = f.Clock.now.Add(24 * time.Hour)
		if f.Clock.now.After(to) {
			f.Clock.now = to
		}
		if _, err := f.Engine.RunClocks(ctx); err != nil {
			return fmt.Errorf("demo: clocks: %w", err)
		}
	}
	return nil
}

// hour is some minute of a day that lies day days from the end, between two hours.
func (f *filler) hour(day, from, to int) time.Time {
	d := f.end.AddDate(0, 0, day)
	minute := f.rand.IntN((to - from) * 60)
	t := time.Date(d.Year(), d.Month(), d.Day(), from, minute, f.rand.IntN(60), 0, d.Location())
	if day == 0 && t.After(f.end) {
		return f.end.Add(-time.Duration(1+f.rand.IntN(40)) * time.Minute) // today, and already past
	}
	return t
}

// workday moves a time that falls on a day off to the next working day, or to the last one where that has not come yet.
func (f *filler) workday(t time.Time) time.Time {
	cal := f.pack.Cal()
	for _, direction := range []int{1, -1} {
		d := t
		for !cal.Works(cal.Day(d)) {
			d = d.AddDate(0, 0, direction)
		}
		if d.Before(f.end) {
			return d
		}
	}
	return t
}

func (f *filler) happen(ctx context.Context, e event) error {
	return f.DB.Tx(ctx, func(tx *store.Tx) error {
		if e.step == nil {
			return f.report(ctx, tx, e.story)
		}
		return f.step(ctx, tx, e.story, e.step)
	})
}

// kindOf is the kind of matter that a story begins with.
func (f *filler) kindOf(r *running) *pack.Kind {
	if k := f.pack.Kind(r.Kind); k != nil {
		return k
	}
	return f.pack.ReportKinds()[0]
}

// report files the report that a story begins with, as its sender would.
func (f *filler) report(ctx context.Context, tx *store.Tx, r *running) error {
	kind := f.kindOf(r)
	in := map[string]any{}
	for name, v := range r.Report {
		switch name {
		case "day":
		case "official_described":
			in["official"] = map[string]any{"described": v}
		default:
			in[name] = v
		}
	}
	values, err := f.values(kind.Fields, in)
	if err != nil {
		return err
	}
	r.code = ref.NewReceiptCode()
	s, err := f.Engine.Open(ctx, tx, matter.OpenCmd{Kind: kind.ID, Fields: values, Actor: journal.Actor{Duty: f.pack.DutyOf(pack.ActorReporter)},
		Via: journal.ViaWeb, Code: r.code, Anonymous: r.Report["name"] == nil})
	if err != nil {
		return err
	}
	r.root = s.Matter.ID
	if r.Key != "" {
		f.matters[r.Key] = s.Matter.Ref
	}
	return nil
}

// step takes one step of a story.
func (f *filler) step(ctx context.Context, tx *store.Tx, r *running, st *step) error {
	on := r.root
	kind := cmp.Or(st.On, f.kindOf(r).ID)
	if st.On != "" {
		var err error
		if on, err = f.opened(ctx, tx, r.root, kind); err != nil {
			return err
		}
	}
	a := f.pack.Kind(kind).Action(st.Do)
	if a == nil {
		return fmt.Errorf("%s has no action %s", kind, st.Do)
	}
	in := map[string]any{}
	for _, field := range a.Fields {
		if text := r.usual(field); text != "" {
			in[field.ID] = text
		}
	}
	if st.Lead != "" {
		in["lead"] = f.accounts[st.Lead].String()
	}
	for name, v := range st.With {
		in[name] = v
	}
	values, err := f.values(a.Fields, in)
	if err != nil {
		return err
	}
	if st.By == "reporter" {
		_, err = f.Engine.ReporterAct(ctx, tx, r.code, 0, st.Do, values, journal.ViaWeb)
		return err
	}
	viewer, err := f.viewer(ctx, tx, st.By)
	if err != nil {
		return err
	}
	_, err = f.Engine.Act(ctx, tx, matter.ActCmd{Matter: on, Action: st.Do, Fields: values, Viewer: viewer, Via: journal.ViaWeb})
	return err
}

// usual is what stands in a field that a story leaves to the usual texts.
func (r *running) usual(f pack.Field) string {
	switch {
	case f.Type == pack.TypeReasons && f.Required:
		return r.texts.Reasons
	case f.ID == "answer":
		return r.texts.Answer
	case f.ID == "message":
		return r.texts.Message
	}
	return ""
}

func (f *filler) viewer(ctx context.Context, tx *store.Tx, login string) (access.Viewer, error) {
	id, ok := f.accounts[login]
	if !ok {
		return access.Viewer{}, fmt.Errorf("nobody has the login %s", login)
	}
	return f.Accounts.ViewerOf(ctx, tx, id)
}

// opened finds the matter of a kind that a story has led to: the newest one on the way down from its report.
func (f *filler) opened(ctx context.Context, tx *store.Tx, from ref.MatterID, kind string) (ref.MatterID, error) {
	s, err := f.Engine.Load(ctx, tx, from)
	if err != nil {
		return 0, err
	}
	if s.Matter.Kind == kind {
		return from, nil
	}
	links := slices.Clone(s.Links)
	sort.Slice(links, func(i, j int) bool { return links[i].N > links[j].N })
	for _, l := range links {
		if l.Kind == matter.LinkOpens {
			return f.opened(ctx, tx, l.Other, kind)
		}
	}
	return 0, fmt.Errorf("no %s was opened yet", kind)
}

// values reads what a story gives, as a form would be read.
func (f *filler) values(fields []pack.Field, in map[string]any) (matter.Values, error) {
	out := map[string]any{}
	for name, v := range in {
		out[name] = f.resolve(name, v)
	}
	values, wrong := matter.ParseJSON(f.pack, fields, out)
	return values, fault.InvalidFields(wrong)
}

// resolve turns what stories are written in into what forms hold: days back from today become dates, keys of
// officials and stories become ids and references.
func (f *filler) resolve(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = f.resolve(k, x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = f.resolve(name, x)
		}
		return out
	case string:
		if id, ok := f.officials[v]; ok && name == "official" {
			return id.String()
		}
		if r, ok := f.matters[v]; ok && name == "other" {
			return string(r)
		}
		return v
	}
	n, err := number(v)
	if err != nil {
		return v
	}
	if n <= 0 && n > -1000 {
		return f.end.AddDate(0, 0, n).Format(time.DateOnly)
	}
	return strconv.Itoa(n)
}

func number(v any) (int, error) {
	switch n := v.(type) {
	case int:
		return n, nil
	case int64:
		return int(n), nil
	case uint64:
		return int(n), nil
	}
	return 0, fmt.Errorf("%v is no number", v)
}
