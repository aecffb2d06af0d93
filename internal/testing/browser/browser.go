// Package browser drives a real Chromium in tests: it opens pages as a person would, at the width of a phone or a
// desk, with scripts or without, and lets axe-core look for barriers.
//
// axe-core (axe/, MPL-2.0) is used by tests alone and is no part of the program.
package browser

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

//go:embed axe/axe.min.js
var axe string

// patience is how long a single step may take on a busy machine before the test gives up on it.
const patience = 60 * time.Second

// Browser is one running Chromium.
type Browser struct{ ctx context.Context }

// Start starts Chromium for the length of the test. Without Chromium the test is skipped, or fails where
// PLUMBLINE_REQUIRE names "browser".
func Start(t testing.TB) *Browser {
	t.Helper()
	path := find()
	if path == "" {
		const missing = "no Chromium found: install the package \"chromium\" or set PLUMBLINE_CHROMIUM to the program"
		if strings.Contains(","+os.Getenv("PLUMBLINE_REQUIRE")+",", ",browser,") {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // tests may run as root; the pages are our own
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	b := &Browser{ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return b
}

func find() string {
	if path := os.Getenv("PLUMBLINE_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// Screen is how wide the reader's window is.
type Screen struct {
	Name          string
	Width, Height int64
	Mobile        bool
}

var (
	Phone = Screen{Name: "phone", Width: 390, Height: 844, Mobile: true}
	Desk  = Screen{Name: "desk", Width: 1280, Height: 900}
)

// Tab is one person's window: its cookies are its own.
type Tab struct {
	t   testing.TB
	ctx context.Context
}

// Open opens a window with its own cookies. Without scripts, pages must work all the same.
func (b *Browser) Open(t testing.TB, screen Screen, scripts bool) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	tab := &Tab{t: t, ctx: ctx}
	var emulate []chromedp.EmulateViewportOption
	if screen.Mobile {
		emulate = append(emulate, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	// The first step ties the window to its context, which must be the window's own and not that of one step.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(screen.Width, screen.Height, emulate...)); err != nil {
		t.Fatalf("browser: open a window: %v", err)
	}
	if !scripts {
		tab.do("switch scripts off", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
			return err
		}))
	}
	return tab
}

func (tab *Tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.t.Fatalf("browser: %s: %v", what, err)
	}
}

func ask[T any](tab *Tab, what string, a chromedp.Action[T]) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		tab.t.Fatalf("browser: %s: %v", what, err)
	}
	return v
}

// Visit opens an address and returns the status the server answered with.
func (tab *Tab) Visit(url string) int {
	tab.t.Helper()
	res := ask(tab, "visit "+url, chromedp.NavigateResponse(url))
	if res == nil {
		tab.t.Fatalf("browser: visit %s: no answer", url)
	}
	return int(res.Status)
}

// Click clicks what the CSS selector finds and waits for the page that follows.
func (tab *Tab) Click(selector string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	_, err := chromedp.RunResponse(ctx, chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
	if err != nil {
		tab.t.Fatalf("browser: click %s on %s: %v", selector, tab.Address(), err)
	}
}

// Press clicks what the CSS selector finds and stays on the page.
func (tab *Tab) Press(selector string) {
	tab.t.Helper()
	tab.do("press "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Type types text into a field.
func (tab *Tab) Type(selector, text string) {
	tab.t.Helper()
	tab.do("type into "+selector, chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Keys sends keys to the page, as a person at a keyboard does.
func (tab *Tab) Keys(keys string) {
	tab.t.Helper()
	tab.do("keys "+keys, chromedp.KeyEvent(keys))
}

// Has reports whether the page holds something the CSS selector finds.
func (tab *Tab) Has(selector string) bool {
	tab.t.Helper()
	return len(ask(tab, "look for "+selector, chromedp.Nodes(chromedp.CSSAll(selector), chromedp.AtLeast(0)))) > 0
}

// Text returns the text of the first element the CSS selector finds.
func (tab *Tab) Text(selector string) string {
	tab.t.Helper()
	return strings.TrimSpace(ask(tab, "text of "+selector, chromedp.TextContent(chromedp.CSS(selector))))
}

// Address returns where the window is.
func (tab *Tab) Address() string {
	tab.t.Helper()
	return ask(tab, "address", chromedp.Location())
}

// SetCookie sets a cookie for the address's host.
func (tab *Tab) SetCookie(url, name, value string) {
	tab.t.Helper()
	tab.do("cookie "+name, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: url})
		return err
	}))
}

// Evaluate runs a script in the page, past its content security policy, and returns its value.
func Evaluate[T any](tab *Tab, script string) T {
	tab.t.Helper()
	return ask(tab, "evaluate", chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// Wide returns by how many pixels the page is wider than the window: more than 0 means scrolling sideways.
func (tab *Tab) Wide() int {
	tab.t.Helper()
	return Evaluate[int](tab, `document.documentElement.scrollWidth - document.documentElement.clientWidth`)
}

// Violation is one barrier axe-core found.
type Violation struct {
	Rule   string   `json:"rule"`
	Impact string   `json:"impact"`
	Help   string   `json:"help"`
	Where  []string `json:"where"`
}

func (v Violation) String() string {
	return fmt.Sprintf("%s (%s): %s, at %s", v.Rule, v.Impact, v.Help, strings.Join(v.Where, " | "))
}

// Barriers returns what axe-core finds against WCAG 2.2 A and AA and its best practices on the page as it stands.
func (tab *Tab) Barriers() []Violation {
	tab.t.Helper()
	_ = Evaluate[bool](tab, `typeof axe === "object" || ((function(){`+axe+`})(), true)`)
	return Evaluate[[]Violation](tab, `axe.run(document, {runOnly: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]})
		.then(r => r.violations.map(v => ({rule: v.id, impact: v.impact || "", help: v.help,
			where: v.nodes.slice(0, 5).map(n => n.target.join(" ") + ": " + (n.html || "").slice(0, 160))})))`)
}

// Shot writes a picture of the whole page to PLUMBLINE_SHOTS/name.png if that folder is named, to look at.
func (tab *Tab) Shot(name string) {
	tab.t.Helper()
	dir := os.Getenv("PLUMBLINE_SHOTS")
	if dir == "" {
		return
	}
	picture := ask(tab, "picture", chromedp.FullScreenshot(100))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tab.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		tab.t.Fatal(err)
	}
}
