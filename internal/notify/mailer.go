package notify

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	netmail "net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"plumbline/internal/fault"
)

// A Mailer hands mails to the mail server of the office.
type Mailer struct {
	host    string
	from    string
	options []mail.Option
}

// NewMailer reads where mails are handed in:
//
//	smtps://user:password@mail.example:465   TLS from the beginning
//	smtp://user:password@mail.example:587    TLS from STARTTLS on; without it nothing is sent
//	smtp://localhost:25                      a server on this machine, which needs no TLS
//
// from is the address that mails come from. A nil TLS configuration is the usual one.
func NewMailer(server, from string, config *tls.Config) (*Mailer, error) {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return nil, fault.New(fault.Invalid, "notice.server", nil)
	}
	sender, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, fault.New(fault.Invalid, "notice.from", nil)
	}
	_, domain, _ := strings.Cut(sender.Address, "@")
	m := &Mailer{host: u.Hostname(), from: sender.Address}
	port := 0
	switch u.Scheme {
	case "smtps":
		port = 465
		m.options = append(m.options, mail.WithSSL())
	case "smtp":
		port = 587
		policy := mail.TLSMandatory
		if ip := net.ParseIP(m.host); m.host == "localhost" || ip != nil && ip.IsLoopback() {
			policy = mail.TLSOpportunistic
			if config == nil {
				policy = mail.NoTLS // what goes through this machine alone needs no certificate
			}
		}
		m.options = append(m.options, mail.WithTLSPolicy(policy))
	default:
		return nil, fault.New(fault.Invalid, "notice.server", nil)
	}
	if p := u.Port(); p != "" {
		if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 {
			return nil, fault.New(fault.Invalid, "notice.server", nil)
		}
	}
	// The name of this machine is nobody's business.
	m.options = append(m.options, mail.WithPort(port), mail.WithTimeout(30*time.Second), mail.WithHELO(domain))
	if config != nil {
		m.options = append(m.options, mail.WithTLSConfig(config))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		m.options = append(m.options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	return m, nil
}

// undelivered says why a mail could not be sent, without a word of what the server said.
type undelivered struct {
	why     string
	forGood bool // another try would not help
}

func (m *Mailer) send(ctx context.Context, to, subject, text string) *undelivered {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if msg.From(m.from) != nil || msg.To(to) != nil {
		return &undelivered{"the address is none", true}
	}
	_, domain, _ := strings.Cut(m.from, "@")
	msg.Subject(subject)
	msg.SetMessageIDWithValue(strings.ToLower(rand.Text()) + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, text)
	client, err := mail.NewClient(m.host, m.options...)
	if err != nil {
		return &undelivered{"the settings are wrong", false}
	}
	if err := client.DialWithContext(ctx); err != nil {
		return &undelivered{"the mail server does not let us in", false}
	}
	err = client.Send(msg)
	_ = client.Close() // it has taken the mail or not; a missing farewell changes nothing
	var refused *mail.SendError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500:
		return &undelivered{"the mail server refuses it", true}
	}
	return &undelivered{"the mail server did not take it", false}
}

// From is the address that mails come from.
func (m *Mailer) From() string { return m.from }
