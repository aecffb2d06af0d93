package view_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/testing/pagecheck"
	"plumbline/internal/web/assets"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// The gallery shows every component once, with invented data, so that they can be looked at: run with
// PLUMBLINE_GALLERY=DIR to have the pages written there.
type (
	staffPage struct {
		view.Shell
		Identity    view.IdentityBar
		Sub         []view.Link
		Summary     view.SummaryList
		Allegations view.Table
		Timeline    view.Timeline
		Actions     view.ActionList
	}
	queuePage struct {
		view.Shell
		Filter     view.FilterPanel
		Queue      view.Table
		EmptyQueue view.Table
		Pages      view.Pagination
		Keys       []view.Shortcut
	}
	formPage struct {
		view.Shell
		Steps   view.Steps
		Form    view.Form
		Warning string
		Note    view.Note
		Tasks   view.TaskList
	}
	homePage struct {
		view.Shell
		Lead      string
		Ways      []view.Way
		Numbers   []view.BigNumber
		Procedure view.Procedure
		Receipt   view.Receipt
		Figures   []view.Figure
	}
)

var (
	staffView = view.Page[staffPage]("gallery/staff")
	queueView = view.Page[queuePage]("gallery/queue")
	formView  = view.Page[formPage]("gallery/form")
	homeView  = view.Page[homePage]("gallery/home")
)

// pick says an invented text in the speaker's language.
func pick(say *words.Speaker, en, zh string) string {
	return say.Text(map[string]string{"en": en, "zh-Hans": zh})
}

func newSite(t *testing.T) (*view.Site, *words.Book) {
	t.Helper()
	book, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	site, err := view.New(view.Options{
		Pages: os.DirFS("testdata"), Book: book, Log: slog.New(slog.DiscardHandler),
		Frame: func(r *http.Request, say *words.Speaker) view.Frame {
			f := view.Frame{Office: pick(say, "Office for Police Conduct, Northport", "北港市执法监督办公室"), SignIn: "/sign-in"}
			if strings.HasPrefix(r.URL.Path, "/staff") {
				f.Nav = []view.Link{
					{Text: pick(say, "My work", "我的工作"), Href: "#", Count: 3}, {Text: pick(say, "Queues", "工作队列"), Href: "#", Current: true},
					{Text: pick(say, "Bodies and officials", "机构和公职人员"), Href: "#"}, {Text: pick(say, "Figures", "统计"), Href: "#"},
				}
				f.User = &view.User{Name: pick(say, "Ines Duarte, intake", "杜依宁（受理）"), Account: "#", SignOut: "/sign-out"}
			} else {
				f.Nav = []view.Link{{Text: pick(say, "Report something", "我要举报"), Href: "#"}, {Text: pick(say, "Follow a report", "查询进展"), Href: "#"}, {Text: pick(say, "Figures", "统计"), Href: "#"}}
			}
			return f
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return site, book
}

func TestTemplatesFitTheirStructs(t *testing.T) {
	site, _ := newSite(t)
	pagecheck.Templates(t, site)
}

func gallery(site *view.Site) map[string]view.HandlerFunc {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	clock := func(say *words.Speaker, days int) *view.Clock {
		working := days
		c := view.ClockOf(say, words.Clock{Due: now.AddDate(0, 0, days), Now: now, Working: &working})
		return &c
	}
	return map[string]view.HandlerFunc{
		"/staff/matter": func(w http.ResponseWriter, r *http.Request) error {
			say := words.From(r.Context())
			return staffView.Show(site, w, r, staffPage{
				Shell: view.Shell{Title: pick(say, "Force used at a traffic stop", "交通检查中使用武力"), Staff: true,
					Crumbs: []view.Link{{Text: pick(say, "Queues", "工作队列"), Href: "#"}, {Text: pick(say, "Intake", "受理"), Href: "#"}},
					Notes:  []view.Banner{{Tone: view.Success, Text: pick(say, "The report was accepted. It is now with screening.", "举报已受理，现转入初步核实。")}}},
				Identity: view.IdentityBar{
					Reference: "R-2026-000123", Kind: pick(say, "Report", "举报"), Title: pick(say, "Force used at a traffic stop", "交通检查中使用武力"),
					Tags:  []view.Tag{{Tone: view.Info, Text: pick(say, "Verifying", "核查中")}, view.Imported(say)},
					Clock: clock(say, 1), Facts: []view.Fact{{Name: pick(say, "Body", "机构"), Value: pick(say, "Northport Police, 3rd precinct", "北港市公安局第三分局"), Href: "#"}, {Name: pick(say, "Received", "收到日期"), Value: say.Date("2026-11-03")}},
				},
				Sub: []view.Link{{Text: pick(say, "Overview", "概况"), Href: "#", Current: true}, {Text: pick(say, "People and allegations", "人员和指控事项"), Href: "#", Count: 2}, {Text: pick(say, "Evidence", "证据"), Href: "#", Count: 4}, {Text: pick(say, "Messages", "消息"), Href: "#"}, {Text: pick(say, "Timeline", "办理经过"), Href: "#"}},
				Summary: view.SummaryList{Rows: []view.SummaryRow{
					{Key: pick(say, "What it is about", "事由"), Value: pick(say, "Use of force", "使用武力"), Actions: []view.Link{{Text: say.T("ui.change"), Hidden: pick(say, "what it is about", "事由"), Href: "#"}}},
					{Key: pick(say, "When", "时间"), Value: say.Date("2026-10")},
					{Key: pick(say, "State", "状态"), Tags: []view.Tag{{Tone: view.Success, Text: pick(say, "Sustained", "属实")}, {Tone: view.Soon, Text: pick(say, "Due soon", "即将到期")}, {Tone: view.Bad, Text: pick(say, "Overdue", "逾期")}, {Tone: view.Waiting, Text: pick(say, "Waiting", "等待中")}, {Tone: view.Sealed, Text: pick(say, "Sealed", "已加密封存"), Lock: true}}},
					{Key: pick(say, "In the reporter's words", "举报人原话"), Sealed: &view.SealedPart{What: pick(say, "the report itself", "举报内容"), Who: pick(say, "the intake desk of Northport", "北港市受理岗位"), Post: "/open"}},
				}},
				Allegations: view.Table{Caption: pick(say, "Allegations", "指控事项"), Cards: true,
					Columns: []view.Column{{Text: pick(say, "Person concerned", "被反映人")}, {Text: pick(say, "Conduct", "行为")}, {Text: pick(say, "Finding", "认定")}},
					Rows: []view.Row{
						{Cells: []view.Cell{{Text: pick(say, "Officer not yet identified", "身份尚未查明"), Header: true}, {Text: pick(say, "Force", "武力"), Sub: "F-12"}, {Tags: []view.Tag{{Tone: view.Waiting, Text: pick(say, "None yet", "尚无")}}}}},
						{Cells: []view.Cell{{Text: pick(say, "A. Example, sergeant", "示例甲（警长）"), Href: "#", Header: true}, {Text: pick(say, "Discourtesy", "言行不当"), Sub: "D-03"}, {Tags: []view.Tag{{Tone: view.Plain, Text: pick(say, "Not sustained", "证据不足")}}}}},
					}},
				Timeline: view.Timeline{Title: say.T("ui.timeline"), Events: []view.Event{
					{Title: pick(say, "Accepted", "予以受理"), By: pick(say, "Ines Duarte, intake", "杜依宁（受理）"), At: now.Add(-26 * time.Hour), Text: pick(say, "Clear enough to check; the place is ours.", "内容清楚，可以核实；属本机构管辖。"),
						Changes: []view.Change{{Name: pick(say, "State", "状态"), From: pick(say, "Received", "已收到"), To: pick(say, "Accepted", "已受理")}, {Name: pick(say, "Due", "到期"), To: say.Date("2026-11-23")}}, Proof: pick(say, "Recorded as entry 1,204", "记录编号 1,204")},
					{Title: pick(say, "Brought over", "转入"), Date: "2026-11", Imported: true, Tags: []view.Tag{view.Imported(say)}},
				}},
				Actions: view.ActionList{
					Can: []view.Action{{Text: pick(say, "Conclude verification", "提出核查结论"), Href: "#", Main: true, Hint: pick(say, "Due tomorrow. You answer for it by name.", "明天到期。您将署名负责。")}, {Text: pick(say, "Ask the reporter", "向举报人提问"), Href: "#"}, {Text: pick(say, "Add a note", "添加备注"), Href: "#"}},
					Not: []view.Refusal{{Text: pick(say, "Confirm", "确认"), Why: pick(say, "Whoever concludes cannot confirm.", "提出结论的人不能确认。"), Who: pick(say, "reviewers of Northport", "北港市复核人员")}},
				},
			})
		},
		"/staff/queue": func(w http.ResponseWriter, r *http.Request) error {
			say := words.From(r.Context())
			rows := []view.Row{}
			for i, days := range []int{-3, 0, 1, 5, 12} {
				rows = append(rows, view.Row{Value: "1", Label: "R-2026-00012" + string(rune('0'+i)), Cells: []view.Cell{
					{Text: "R-2026-00012" + string(rune('0'+i)), Href: "#", Header: true}, {Text: pick(say, "Report", "举报"), Sub: pick(say, "Use of force", "使用武力")},
					{Text: pick(say, "Screen", "初步核实")}, {Clock: clock(say, days)}, {Text: say.Number(int64(i * 1200))}, {Text: pick(say, "web form", "网上举报")}}})
			}
			cols := []view.Column{{Text: pick(say, "Reference", "编号"), Sort: "?sort=ref"}, {Text: pick(say, "Kind", "种类")}, {Text: pick(say, "To do", "待办")}, {Text: pick(say, "Clock", "时限"), Sort: "?sort=-due", Order: "asc"}, {Text: pick(say, "Pages", "页数"), Numeric: true}, {Text: pick(say, "From", "来源")}}
			return queueView.Show(site, w, r, queuePage{
				Shell: view.Shell{Title: pick(say, "Intake queue", "受理队列"), Staff: true},
				Filter: view.FilterPanel{Fields: []view.Input{
					{Kind: view.Search, Name: "q", Label: pick(say, "Reference or name", "编号或姓名")},
					{Kind: view.Checkboxes, Name: "state", Label: pick(say, "State", "状态"), Small: true, Options: []view.Option{{Value: "a", Text: pick(say, "Received", "已收到"), Chosen: true}, {Value: "b", Text: pick(say, "Screened", "已初核")}}},
					{Kind: view.Select, Name: "body", Label: pick(say, "Body", "机构"), Empty: "-", Options: []view.Option{{Value: "1", Text: pick(say, "Northport", "北港市")}}},
				}, Chips: []view.Link{{Text: pick(say, "Received", "已收到"), Href: "?"}}, Clear: "?"},
				Queue:      view.Table{Caption: pick(say, "Matters", "事项"), CaptionHidden: true, Columns: cols, Rows: rows, Cards: true, Keys: true, Select: "m", SelectForm: "bulk"},
				EmptyQueue: view.Table{Empty: view.Empty{Title: pick(say, "No matter waits here", "这里没有待办事项"), Text: pick(say, "New reports come here as soon as somebody sends one.", "有人提交举报后，会立即出现在这里。")}},
				Pages:      view.Paginate(say, 4, 5, 1204, func(p int) string { return "?page=" + say.Number(int64(p)) }),
				Keys:       view.ListKeys(say),
			})
		},
		"/form": func(w http.ResponseWriter, r *http.Request) error {
			say := words.From(r.Context())
			page := formPage{
				Shell: view.Shell{Title: pick(say, "When did it happen?", "事情是什么时候发生的？"), Exit: true, Back: view.Link{Href: "#"}},
				Steps: view.Steps{N: 2, Total: 6},
				Form: view.Form{Inputs: []view.Input{
					{Kind: view.Date, Name: "when", Label: pick(say, "When did it happen?", "事情是什么时候发生的？"), Heading: true, Hint: say.T("ui.date.hint", "example", "27 3 2026")},
					{Kind: view.Textarea, Name: "what", Label: pick(say, "What happened?", "发生了什么？"), Hint: pick(say, "Say what you saw or know, in your own words.", "请用您自己的话写下您看到或知道的情况。"), Max: 2000, Size: "m"},
					{Kind: view.Radios, Name: "how", Label: pick(say, "May we ask you questions?", "我们可以向您提问吗？"), Size: "m", Options: []view.Option{
						{Value: "y", Text: pick(say, "Yes, on this site", "可以，通过本网站"), Chosen: true}, {Value: "m", Text: pick(say, "Yes, by e-mail", "可以，通过电子邮件"), Reveal: []view.Input{{Kind: view.Email, Name: "mail", Label: pick(say, "E-mail", "电子邮件"), Width: "20"}}}, {Divider: pick(say, "or", "或")}, {Value: "n", Text: pick(say, "No", "不可以"), Hint: pick(say, "We can then only work with what you write now.", "那样我们只能依据您现在写的内容办理。")}}},
					{Kind: view.Text, Name: "place", Label: pick(say, "Where?", "在哪里？"), Optional: true, Width: "20"},
					{Kind: view.File, Name: "files", Label: pick(say, "Papers or pictures", "材料或照片"), Optional: true, Multiple: true},
					{Kind: view.Checkboxes, Name: "c", Label: pick(say, "Who was there?", "当时有谁在场？"), Options: []view.Option{{Value: "1", Text: pick(say, "Other people", "其他人")}, {Value: "2", Text: pick(say, "A camera", "摄像设备")}}},
					{Kind: view.Select, Name: "s", Label: pick(say, "Which body?", "哪个机构？"), Empty: "-", Options: []view.Option{{Value: "1", Text: "Northport", Group: pick(say, "City", "市")}}},
					{Kind: view.Number, Name: "n", Label: pick(say, "How many?", "多少？"), Width: "5", Suffix: pick(say, "people", "人")},
				}, Cancel: view.Link{Href: "/"}},
				Warning: pick(say, "If you are in danger now, call the emergency number.", "如果您现在有危险，请拨打紧急电话。"),
				Note:    view.Note{Title: pick(say, "You stay anonymous", "您可以匿名"), Text: pick(say, "We keep no network address and set no cookie that outlives your visit.", "我们不保存网络地址，也不设置访问结束后仍然存在的 Cookie。")},
				Tasks:   view.TaskList{Tasks: []view.Task{{Text: pick(say, "What happened", "发生了什么"), Href: "#", Status: view.Tag{Tone: view.Success, Text: say.T("ui.task.done")}}, {Text: pick(say, "Who was involved", "涉及哪些人"), Status: view.Tag{Tone: view.Waiting, Text: say.T("ui.print")}}}},
			}
			if r.URL.Query().Has("wrong") {
				page.Form.Fill(url.Values{"when-day": {"31"}, "when-month": {"2"}, "when-year": {"2026"}, "what": {"…"}, "how": {"m"}})
				page.Errors = page.Form.Fail(say, fault.InvalidFields([]fault.Field{{Name: "when", Key: "fault.invalid"}, {Name: "mail", Key: "fault.invalid"}, {Name: "how", Key: "fault.invalid"}, {Name: "what", Key: "fault.invalid"}}))
				return formView.ShowStatus(site, w, r, http.StatusUnprocessableEntity, page)
			}
			return formView.Show(site, w, r, page)
		},
		"/": func(w http.ResponseWriter, r *http.Request) error {
			say := words.From(r.Context())
			return homeView.Show(site, w, r, homePage{
				Shell: view.Shell{Title: pick(say, "We check complaints about the police", "我们核查对执法人员的举报"), Bands: true},
				Lead:  pick(say, "Tell us what happened. Every report is recorded, checked by more than one person, and answered.", "请告诉我们发生了什么。每份举报都会被记录，由不止一人核查，并得到答复。"),
				Ways: []view.Way{{Link: view.Link{Text: pick(say, "Report something", "我要举报"), Href: "#"}, Text: pick(say, "About ten minutes. You need not say who you are.", "大约十分钟，可以不说您是谁。"), First: true},
					{Link: view.Link{Text: pick(say, "Follow a report", "查询进展"), Href: "#"}, Text: pick(say, "With the code you were given.", "使用您收到的查询码。")}},
				Numbers: []view.BigNumber{{Number: say.Number(12056), Text: pick(say, "matters on record", "件事项已记录"), Link: view.Link{Text: say.T("ui.figure.know"), Href: "#"}}, {Number: say.Percent(.019), Text: pick(say, "overdue now", "目前逾期"), Link: view.Link{Text: say.T("ui.figure.know"), Href: "#"}}, {Number: say.Days(41), Text: pick(say, "half take less than this", "一半的事项用时少于此数"), Link: view.Link{Text: say.T("ui.figure.know"), Href: "#"}}},
				Procedure: view.Procedure{States: []view.ProcedureState{
					{Name: pick(say, "Received", "已收到"), Within: say.T("ui.procedure.within", "time", say.Days(7)), Done: true, Text: pick(say, "You get a code. Somebody reads what you wrote.", "您会得到一个查询码，有人阅读您写的内容。")},
					{Name: pick(say, "Verifying", "核查中"), Now: true, Ways: []view.ProcedureWay{{Action: pick(say, "Conclude", "提出结论"), To: pick(say, "Review", "复核"), Who: pick(say, "investigator", "核查人员")}, {Action: pick(say, "Ask the reporter", "向举报人提问")}}},
					{Name: pick(say, "Closed", "已办结"), End: true},
				}},
				Receipt: view.Receipt{Title: pick(say, "Your receipt code", "您的查询码"), Groups: []string{"7K3P", "M9QX", "2WDR", "H4TN", "B8CV"}, Hint: pick(say, "Write this down. We cannot give it to you again.", "请抄下来，我们无法再次提供。")},
				Figures: figures(say),
			})
		},
		"/nothing": func(http.ResponseWriter, *http.Request) error {
			return fault.New(fault.NotFound, "fault.notfound", nil)
		},
		"/staff/stale": func(http.ResponseWriter, *http.Request) error {
			return fault.New(fault.Conflict, "matter.stale", nil)
		},
		"/staff/crashed": func(http.ResponseWriter, *http.Request) error { panic("on purpose") },
	}
}

var galleryPages = []string{"/", "/form", "/form?wrong=1", "/staff/matter", "/staff/queue", "/nothing", "/staff/stale", "/staff/crashed"}

func get(t *testing.T, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w
}

func handler(site *view.Site) http.Handler {
	mux := http.NewServeMux()
	for path, h := range gallery(site) {
		if path == "/" {
			path = "/{$}"
		}
		mux.Handle(path, site.Handler(h))
	}
	mux.Handle(assets.Prefix, assets.Handler())
	mux.Handle("/", site.NotFound())
	return site.Protect(mux)
}

func TestGallery(t *testing.T) {
	site, book := newSite(t)
	h := handler(site)
	dir := os.Getenv("PLUMBLINE_GALLERY")
	for _, target := range galleryPages {
		for _, say := range book.Speakers() {
			u, _ := url.Parse(target)
			q := u.Query()
			q.Set("lang", say.Lang())
			u.RawQuery = q.Encode()
			w := get(t, h, u.String())
			body := w.Body.String()
			if strings.Contains(body, "<no value>") || strings.Contains(body, "%!") || strings.Contains(body, "ZgotmplZ") {
				t.Errorf("%s: the page shows a template's mistake", u)
			}
			if strings.Contains(body, "style=") || strings.Contains(body, "<style") || strings.Contains(body, "onclick") {
				t.Errorf("%s: inline style or script, which the security policy forbids", u)
			}
			if dir != "" {
				name := strings.NewReplacer("/", "_", "?", "_", "=", "").Replace(strings.TrimPrefix(target, "/"))
				if name == "" {
					name = "home"
				}
				if err := os.WriteFile(filepath.Join(dir, name+"."+say.Lang()+".html"), w.Body.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if m := book.Missing(); len(m) > 0 {
		t.Errorf("texts that are missing: %s", strings.Join(m, "; "))
	}
}
