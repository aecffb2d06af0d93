package web

// routes is every page there is: where it is, who may come through its door, and who answers. Pages of one area stand
// together; the handlers stand in the file named after it.
func (s *Server) routes() []route {
	return []route{
		// public.go
		{"GET /{$}", public, s.home},
		{"GET /about", public, s.aboutOffice},
		{"GET /privacy", public, s.privacy},
		{"GET /accessibility", public, s.accessibility},
		{"GET /robots.txt", public, s.robots},
		{"GET /.well-known/security.txt", public, s.securityTxt},

		// log.go; what programs read of the log is in logFiles
		{"GET /log", public, s.showLog},

		// verify.go
		{"GET /verify", public, s.verifyReceipt},

		// public_how.go
		{"GET /how", public, s.how},

		// public_report.go
		{"GET /report", public, s.reportStart},
		{"GET /report/{kind}", public, s.reportStart},
		{"POST /report/{kind}", public, s.reportStep},

		// public_receipt.go
		{"POST /receipt", public, s.receiptFile},

		// public_proof.go
		{"POST /receipt/proof", public, s.receiptProof},
		{"POST /receipt/proof/file", public, s.receiptProof},
		{"GET /follow/proof", public, s.followProof},
		{"GET /follow/proof/file", public, s.followProof},

		// public_follow.go
		{"GET /follow", public, s.follow},
		{"POST /follow", public, s.followOpen},
		{"POST /follow/leave", public, s.followLeave},
		{"GET /follow/act/{action}", public, s.followActPage},
		{"POST /follow/act/{action}", public, s.followAct},

		// inspections.go
		{"GET /inspections", public, s.publicDraws},
		{"GET /inspections/{number}", public, s.publicDraw},
		{"GET /inspections/{number}/{file}", public, s.drawFile},

		// staff_inspections.go
		{"GET /staff/inspections", staff, s.staffDraws},
		{"GET /staff/inspections/new", staff, s.newDrawPage},
		{"POST /staff/inspections/new", staff, s.newDraw},
		{"GET /staff/inspections/{number}", staff, s.staffDraw},
		{"POST /staff/inspections/{number}", staff, s.holdDraw},

		// staff_sign.go
		{"GET /staff/sign-in", public, s.signInPage},
		{"POST /staff/sign-in", public, s.signIn},
		{"POST /staff/sign-out", public, s.signOut},
		{"GET /staff/account", waiting, s.ownAccount},
		{"GET /staff/account/password", waiting, s.passwordPage},
		{"POST /staff/account/password", waiting, s.changePassword},
		{"POST /staff/account/language", staff, s.changeLanguage},

		// staff_work.go
		{"GET /staff", staff, s.work},
		{"GET /staff/queue", staff, s.queue},
		{"GET /staff/assign", staff, s.assignPage},
		{"POST /staff/assign", staff, s.assign},

		// staff_matter.go
		{"GET /staff/matters/{ref}", staff, s.matterPage("", overviewTab)},
		{"GET /staff/matters/{ref}/people", staff, s.matterPage("people", peopleTab)},
		{"GET /staff/matters/{ref}/messages", staff, s.matterPage("messages", messagesTab)},
		{"GET /staff/matters/{ref}/timeline", staff, s.matterPage("timeline", timelineTab)},
		{"GET /staff/matters/{ref}/related", staff, s.matterPage("related", relatedTab)},

		// staff_proof.go
		{"GET /staff/matters/{ref}/proof/{n}", staff, s.staffProof},
		{"GET /staff/matters/{ref}/proof/{n}/file", staff, s.staffProof},

		// staff_act.go
		{"GET /staff/matters/{ref}/act/{action}", staff, s.actPage},
		{"POST /staff/matters/{ref}/act/{action}", staff, s.act},
		{"GET /staff/matters/{ref}/done/{n}", staff, s.donePage},
		{"GET /staff/matters/{ref}/note", staff, s.notePage},
		{"POST /staff/matters/{ref}/note", staff, s.note},
		{"GET /staff/matters/{ref}/link", staff, s.linkPage},
		{"POST /staff/matters/{ref}/link", staff, s.link},
		{"GET /staff/new", staff, s.newPage},
		{"GET /staff/new/{kind}", staff, s.newKindPage},
		{"POST /staff/new/{kind}", staff, s.newMatter},

		// staff_register.go
		{"GET /staff/bodies", staff, s.bodies},
		{"GET /staff/bodies/{id}", staff, s.body},
		{"GET /staff/officials", staff, s.officials},
		{"GET /staff/officials/{id}", staff, s.official},

		// figures*.go
		{"GET /figures", public, s.figuresList},
		{"GET /figures/{measure}", public, s.figure},
		{"GET /figures/{measure}/table.csv", public, s.figureCSV},
		{"GET /figures/{measure}/table.json", public, s.figureJSON},
		{"GET /figures/{measure}/matters", staff, s.figureMatters},

		// admin.go
		{"GET /admin", admins, s.adminHome},
		{"GET /admin/accounts", admins, s.adminAccounts},
		{"GET /admin/accounts/new", admins, s.newAccountPage},
		{"POST /admin/accounts/new", admins, s.newAccount},
		{"GET /admin/accounts/{id}", admins, s.adminAccount},
		{"GET /admin/accounts/{id}/change", admins, s.changeAccountPage},
		{"POST /admin/accounts/{id}/change", admins, s.changeAccount},
		{"GET /admin/accounts/{id}/grant", admins, s.grantPage},
		{"POST /admin/accounts/{id}/grant", admins, s.grant},
		{"GET /admin/accounts/{id}/revoke", admins, s.revokePage},
		{"POST /admin/accounts/{id}/revoke", admins, s.revoke},
		{"GET /admin/accounts/{id}/password", admins, s.resetPage},
		{"POST /admin/accounts/{id}/password", admins, s.reset},
		{"GET /admin/accounts/{id}/active", admins, s.activePage},
		{"POST /admin/accounts/{id}/active", admins, s.setActive},
		{"GET /admin/packs", admins, s.adminPacks},
		{"GET /admin/settings", admins, s.settingsPage},
		{"POST /admin/settings", admins, s.saveSettings},
	}
}
