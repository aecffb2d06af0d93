package cli

import (
	"net/url"
	"os"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/web"
)

// oidcFlags let people sign in with an account elsewhere.
type oidcFlags struct {
	OIDCIssuer     string `name:"oidc-issuer" env:"PLUMBLINE_OIDC_ISSUER" placeholder:"URL" help:"Let staff sign in with an account elsewhere: issuer of OpenID Connect. What is sealed takes a vault password or a passkey as well."`
	OIDCClient     string `name:"oidc-client" env:"PLUMBLINE_OIDC_CLIENT" placeholder:"ID" help:"What this office is called there."`
	OIDCSecretFile string `name:"oidc-secret-file" env:"PLUMBLINE_OIDC_SECRET_FILE" type:"existingfile" placeholder:"FILE" help:"File with the secret that was agreed there; none if absent (PKCE is always used)."`
	OIDCName       string `name:"oidc-name" env:"PLUMBLINE_OIDC_NAME" placeholder:"NAME" help:"What staff call it, such as the name of the ministry. The issuer's host if absent."`
}

// elsewhere is where people may sign in, nil if nowhere.
func (f oidcFlags) elsewhere() (*web.OIDC, error) {
	if f.OIDCIssuer == "" {
		return nil, nil
	}
	u, err := url.Parse(f.OIDCIssuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1" {
		return nil, &problem{kind: fault.Invalid, text: "--oidc-issuer has to be an address that begins with https://"}
	}
	if f.OIDCClient == "" {
		return nil, &problem{kind: fault.Invalid, text: "--oidc-issuer needs --oidc-client"}
	}
	o := &web.OIDC{Name: f.OIDCName, Issuer: f.OIDCIssuer, Client: f.OIDCClient}
	if o.Name == "" {
		o.Name = u.Hostname()
	}
	if f.OIDCSecretFile != "" {
		text, err := os.ReadFile(f.OIDCSecretFile)
		if err != nil {
			return nil, &problem{kind: fault.NotFound, text: "cannot read the secret for signing in elsewhere", cause: err}
		}
		o.Secret = strings.TrimSpace(string(text))
	}
	return o, nil
}
