package web

import (
	"context"
	"errors"
	"net/http"

	"plumbline/internal/fault"
	"plumbline/internal/intake"
	"plumbline/internal/notify"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// noticePage asks for an address "only to be told that there is something new". An address that was left is never shown
// again, not even to whoever left it: a page can be seen by somebody else.
type noticePage struct {
	view.Shell
	Lede   string
	Says   []string
	State  string
	Form   view.Form
	Remove bool
}

var noticeView = view.Page[noticePage]("public/notice")

func (s *Server) noticeForm(say *words.Speaker, left bool) noticePage {
	page := noticePage{
		Shell: view.Shell{Title: say.T("notice.title"), Exit: true, Back: view.Link{Href: "/follow"}}, Lede: say.T("notice.reporter.lede"),
		Says:  []string{say.T("notice.reporter.says"), say.T("notice.reporter.kept"), say.T("notice.reporter.care", "from", s.Notices.Mailer.From())},
		State: say.T("notice.none"), Remove: left,
		Form: view.Form{Action: "/follow/notices", Submit: say.T("notice.save"), Inputs: []view.Input{
			{Kind: view.Email, Name: "address", Label: say.T("notice.address"), Size: "s", Autocomplete: "off", NoSpell: true}}},
	}
	if left {
		page.State = say.T("notice.left")
	}
	return page
}

// noticeMatter is the report that is open in this browser, if mails are sent at all.
func (s *Server) noticeMatter(r *http.Request) (id int64, left bool, err error) {
	if !s.Notices.On() {
		return 0, false, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	code, err := s.visited(r)
	if err != nil {
		return 0, false, err
	}
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		st, err := s.Engine.ByChannel(r.Context(), tx, code)
		if err != nil {
			return err
		}
		id = int64(st.Matter.ID)
		left, err = s.Notices.Left(r.Context(), tx, notify.Reporter, id)
		return err
	})
	return id, left, err
}

func (s *Server) reporterNotices(w http.ResponseWriter, r *http.Request) error {
	_, left, err := s.noticeMatter(r)
	if over(err) {
		return view.Redirect(w, r, "/follow?opened")
	}
	if err != nil {
		return err
	}
	return noticeView.Show(s.site, w, r, s.noticeForm(words.From(r.Context()), left))
}

func (s *Server) setReporterNotices(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	id, left, err := s.noticeMatter(r)
	if over(err) {
		return view.Redirect(w, r, "/follow?opened")
	}
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	address := r.PostForm.Get("address")
	if r.PostForm.Get(ctlTo) == "remove" {
		address = ""
	} else if address == "" {
		err = fault.InvalidFields([]fault.Field{{Name: "address", Key: "notice.wrong"}})
	}
	if err == nil {
		err = s.DB.Tx(r.Context(), func(tx *store.Tx) error {
			return s.Notices.SetAddress(r.Context(), tx, notify.Reporter, id, address, say.Lang())
		})
	}
	if fault.Is(err, fault.Invalid) {
		page := s.noticeForm(say, left)
		page.Form.Fill(r.PostForm)
		page.Errors = page.Form.Fail(say, err)
		return noticeView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	s.noticeFlash(w, address)
	return view.Redirect(w, r, "/follow")
}

func (s *Server) noticeFlash(w http.ResponseWriter, address string) {
	if address == "" {
		s.site.Flash(w, view.Success, "flash.notice.off", nil)
		return
	}
	s.site.Flash(w, view.Success, "flash.notice.on", nil)
}

// staffNoticesPage is where people say at which address they are told. It is their own and shown to nobody else.
func (s *Server) staffNoticesPage(w http.ResponseWriter, r *http.Request) error {
	var address string
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if s.Notices.On() {
			address, err = s.Notices.Address(r.Context(), tx, notify.Staff, int64(viewer(r).Account))
		}
		return err
	})
	if err != nil {
		return err
	}
	page := s.staffNoticesForm(words.From(r.Context()))
	if len(page.Form.Inputs) > 0 {
		page.Form.Inputs[0].Value = address
	}
	return formView.Show(s.site, w, r, page)
}

func (s *Server) staffNoticesForm(say *words.Speaker) formPage {
	page := formPage{Shell: view.Shell{Title: say.T("notice.title"), Staff: true, Crumbs: crumbs(say, view.Link{Text: say.T("staff.account.title"), Href: "/staff/account"})},
		Heading: say.T("notice.title"), Lede: say.T("notice.staff.lede")}
	if !s.Notices.On() {
		page.Lede = say.T("notice.off")
		return page
	}
	page.Form = view.Form{Action: "/staff/account/notices", Submit: say.T("notice.save"), Inputs: []view.Input{
		{Kind: view.Email, Name: "address", Label: say.T("notice.address"), Hint: say.T("notice.address.empty"), Autocomplete: "email", NoSpell: true}}}
	return page
}

func (s *Server) setStaffNotices(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	if !s.Notices.On() {
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	say, v := words.From(r.Context()), viewer(r)
	address := r.PostForm.Get("address")
	err := s.DB.Tx(r.Context(), func(tx *store.Tx) error {
		return s.Notices.SetAddress(r.Context(), tx, notify.Staff, int64(v.Account), address, say.Lang())
	})
	if fault.Is(err, fault.Invalid) {
		page := s.staffNoticesForm(say)
		page.Form.Fill(r.PostForm)
		page.Errors = page.Form.Fail(say, err)
		return formView.ShowStatus(s.site, w, r, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	s.noticeFlash(w, address)
	return view.Redirect(w, r, "/staff/account")
}

// over reports whether the visit to a report has ended.
func over(err error) bool { return errors.Is(err, intake.ErrOver) }

// came notes that somebody has come to look: they are not told of what they see now. That it could not be noted must
// keep nobody out.
func (s *Server) came(ctx context.Context, kind notify.Kind, who int64) {
	if s.Notices == nil {
		return
	}
	if err := s.DB.Tx(ctx, func(tx *store.Tx) error { return s.Notices.Came(ctx, tx, kind, who) }); err != nil {
		s.Log.WarnContext(ctx, "a notice may be sent that is not needed any more", "kind", string(kind), "cause", err.Error())
	}
}
