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
		{"GET /follow/notices", public, s.reporterNotices},
		{"POST /follow/notices", public, s.setReporterNotices},
		{"GET /follow/act/{action}", public, s.followActPage},
		{"POST /follow/act/{action}", public, s.followAct},

		// exhibit_public.go
		{"GET /follow/files", public, s.reporterFiles},
		{"POST /follow/files", public, s.addReporterFiles},
		{"GET /follow/files/details", public, s.reporterFileDetails},
		{"POST /follow/files/begin", public, s.reporterPieces(s.beginFile)},
		{"GET /follow/files/{id}", public, s.reporterPieces(s.fileProgress)},
		{"PATCH /follow/files/{id}", public, s.reporterPieces(s.addToFile)},
		{"POST /follow/files/{id}/drop", public, s.reporterPieces(s.dropFile)},

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
		{"GET /staff/sign-in/code", public, s.codePage},
		{"POST /staff/sign-in/code", public, s.signInCode},
		{"POST /staff/sign-out", public, s.signOut},
		{"GET /staff/sign-in/browser/{token}", public, s.newBrowserPage},
		{"POST /staff/sign-in/browser/{token}", public, s.admitBrowser},
		{"GET /invite/{token}", public, s.invitationPage},
		{"POST /invite/{token}", public, s.acceptInvitation},
		{"GET /staff/unlock", waiting, s.unlockPage},
		{"POST /staff/unlock", waiting, s.unlock},
		{"GET /staff/account", waiting, s.ownAccount},
		{"GET /staff/account/password", waiting, s.passwordPage},
		{"POST /staff/account/password", waiting, s.changePassword},
		{"POST /staff/account/language", staff, s.changeLanguage},

		// staff_stepup.go
		{"POST /staff/sign-in/passkey/ask", public, s.askSignIn},
		{"POST /staff/sign-in/passkey", public, s.signInPasskey},
		{"POST /staff/account/passkeys/ask", waiting, s.askOwn},
		{"POST /staff/account/passkeys/new/ask", waiting, s.fresh(s.askNew)},
		{"GET /staff/confirm", waiting, s.confirmPage},
		{"POST /staff/confirm", waiting, s.confirm},

		// staff_elsewhere.go
		{"GET /staff/sign-in/elsewhere", public, s.signInElsewhere},
		{"GET /staff/sign-in/elsewhere/back", public, s.cameBack},
		{"GET /staff/account/elsewhere", waiting, s.fresh(s.linkElsewhere)},
		{"GET /staff/account/elsewhere/remove", waiting, s.fresh(s.unlinkPage)},
		{"POST /staff/account/elsewhere/remove", waiting, s.fresh(s.unlink)},
		{"GET /admin/accounts/{id}/elsewhere", admins, s.fresh(s.expectPage)},
		{"POST /admin/accounts/{id}/elsewhere", admins, s.fresh(s.expect)},

		// staff_security.go
		{"GET /staff/account/ways", waiting, s.waysPage},
		{"GET /staff/account/passkeys/new", waiting, s.fresh(s.newPasskeyPage)},
		{"POST /staff/account/passkeys/new", waiting, s.fresh(s.newPasskey)},
		{"GET /staff/account/passkeys/{key}", waiting, s.passkeyPage},
		{"POST /staff/account/passkeys/{key}", waiting, s.renamePasskey},
		{"GET /staff/account/passkeys/{key}/remove", waiting, s.fresh(s.removePasskeyPage)},
		{"POST /staff/account/passkeys/{key}/remove", waiting, s.fresh(s.removePasskey)},
		{"GET /staff/account/phrase", waiting, s.phrasePage},
		{"POST /staff/account/phrase", waiting, s.changePhrase},
		{"GET /staff/account/phrase/remove", waiting, s.fresh(s.removePhrasePage)},
		{"POST /staff/account/phrase/remove", waiting, s.fresh(s.removePhrase)},
		{"GET /staff/account/code", waiting, s.fresh(s.codeSetupPage)},
		{"POST /staff/account/code", waiting, s.fresh(s.setCode)},
		{"GET /staff/account/code/remove", waiting, s.fresh(s.removeCodePage)},
		{"POST /staff/account/code/remove", waiting, s.fresh(s.removeCode)},
		{"GET /staff/account/recovery", waiting, s.fresh(s.recoveryPage)},
		{"POST /staff/account/recovery", waiting, s.fresh(s.newRecovery)},
		{"GET /staff/account/sessions", staff, s.sessionsPage},
		{"POST /staff/account/sessions", staff, s.endSessions},
		{"GET /staff/account/tokens", staff, s.tokensPage},
		{"GET /staff/account/tokens/new", staff, s.fresh(s.newTokenPage)},
		{"POST /staff/account/tokens/new", staff, s.fresh(s.newToken)},
		{"GET /staff/account/tokens/{token}/remove", staff, s.removeTokenPage},
		{"POST /staff/account/tokens/{token}/remove", staff, s.removeToken},

		// staff_duties.go
		{"GET /staff/duties", staff, s.dutiesPage},
		{"GET /staff/duties/answer", staff, s.answerPage},
		{"POST /staff/duties/answer", staff, s.fresh(s.answerDuty)},

		// public_notice.go
		{"GET /staff/account/notices", staff, s.staffNoticesPage},
		{"POST /staff/account/notices", staff, s.setStaffNotices},

		// staff_work.go
		{"GET /staff", staff, s.work},
		{"GET /staff/queue", staff, s.queue},
		{"GET /staff/assign", staff, s.assignPage},
		{"POST /staff/assign", staff, s.assign},

		// staff_flood.go
		{"GET /staff/arrivals", staff, s.arrivals},
		{"GET /staff/arrivals/step", staff, s.togetherPage},
		{"POST /staff/arrivals/step", staff, s.actTogether},

		// staff_matter.go
		{"GET /staff/matters/{ref}", staff, s.matterPage("", overviewTab)},
		{"GET /staff/matters/{ref}/people", staff, s.matterPage("people", peopleTab)},
		{"GET /staff/matters/{ref}/messages", staff, s.matterPage("messages", messagesTab)},
		{"GET /staff/matters/{ref}/timeline", staff, s.matterPage("timeline", timelineTab)},
		{"GET /staff/matters/{ref}/related", staff, s.matterPage("related", relatedTab)},

		// exhibit_staff.go
		{"GET /staff/matters/{ref}/files", staff, s.staffFiles},
		{"POST /staff/matters/{ref}/files", staff, s.addStaffFiles},
		{"POST /staff/matters/{ref}/files/begin", staff, s.staffPieces(s.beginFile)},
		{"GET /staff/matters/{ref}/files/{id}", staff, s.staffPieces(s.fileProgress)},
		{"PATCH /staff/matters/{ref}/files/{id}", staff, s.staffPieces(s.addToFile)},
		{"POST /staff/matters/{ref}/files/{id}/drop", staff, s.staffPieces(s.dropFile)},
		{"GET /staff/matters/{ref}/files/{id}/original", staff, s.staffOriginal},
		{"GET /staff/matters/{ref}/files/{id}/copy", staff, s.staffCopy},

		// staff_desks.go
		{"GET /staff/desks", staff, s.desks},
		{"POST /staff/desks", staff, s.fresh(s.letIn)},

		// staff_search.go
		{"GET /staff/search", staff, s.searchPage},
		{"POST /staff/search", staff, s.search},

		// staff_open.go
		{"POST /staff/matters/{ref}/open", staff, s.openSealed},

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

		// staff_law.go
		{"GET /staff/law", staff, s.law},

		// staff_ties.go
		{"GET /staff/account/ties", staff, s.ties},
		{"POST /staff/account/ties", staff, s.declareTie},
		{"POST /staff/account/ties/{id}/end", staff, s.endTie},

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
		{"GET /admin/accounts/new", admins, s.fresh(s.newAccountPage)},
		{"POST /admin/accounts/new", admins, s.fresh(s.newAccount)},
		{"GET /admin/accounts/{id}", admins, s.adminAccount},
		{"GET /admin/accounts/{id}/change", admins, s.fresh(s.changeAccountPage)},
		{"POST /admin/accounts/{id}/change", admins, s.fresh(s.changeAccount)},
		{"GET /admin/accounts/{id}/grant", admins, s.fresh(s.grantPage)},
		{"POST /admin/accounts/{id}/grant", admins, s.fresh(s.grant)},
		{"GET /admin/accounts/{id}/revoke", admins, s.fresh(s.revokePage)},
		{"POST /admin/accounts/{id}/revoke", admins, s.fresh(s.revoke)},
		{"GET /admin/accounts/{id}/password", admins, s.fresh(s.resetPage)},
		{"POST /admin/accounts/{id}/password", admins, s.fresh(s.reset)},
		{"GET /admin/accounts/{id}/active", admins, s.fresh(s.activePage)},
		{"POST /admin/accounts/{id}/active", admins, s.fresh(s.setActive)},
		{"GET /admin/accounts/{id}/invite", admins, s.fresh(s.invitePage)},
		{"POST /admin/accounts/{id}/invite", admins, s.fresh(s.invite)},
		{"GET /admin/accounts/{id}/browser", admins, s.fresh(s.adminBrowserPage)},
		{"POST /admin/accounts/{id}/browser", admins, s.fresh(s.adminBrowser)},
		{"GET /admin/accounts/{id}/uninvite", admins, s.uninvitePage},
		{"POST /admin/accounts/{id}/uninvite", admins, s.uninvite},
		{"GET /admin/accounts/{id}/tokens/{token}/remove", admins, s.adminTokenPage},
		{"POST /admin/accounts/{id}/tokens/{token}/remove", admins, s.adminToken},
		{"GET /admin/packs", admins, s.adminPacks},
		{"GET /admin/settings", admins, s.settingsPage},
		{"POST /admin/settings", admins, s.fresh(s.saveSettings)},
	}
}
