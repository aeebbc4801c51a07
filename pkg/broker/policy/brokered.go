package policy

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// signInKeys are the keys of a profile that only the broker can enforce. They are
// faults in direct mode: the deployment would not keep what the policy promises.
var signInKeys = []string{"app_client", "approval", "consent", "users"}

// brokered reads the keys of a profile about authorization by the broker. The
// grant types of p must be set.
func (d *reader) brokered(path string, o map[string]any, p *Profile) {
	p.approval = ApprovalNone
	if !d.rules.signsIn {
		for _, name := range signInKeys {
			if has(o, name) {
				d.add(member(path, name), "not supported in direct mode, where Cognito signs users in without a consent page")
			}
		}
		return
	}
	p.appClient = d.appClient(path+".app_client", o["app_client"], has(o, "app_client"), p)
	p.consent = d.consent(path+".consent", o["consent"], has(o, "consent"))
	if has(o, "users") {
		p.users = d.users(path+".users", o["users"])
	}
	if has(o, "approval") {
		p.approval = Approval(d.choice(path+".approval", o["approval"], string(ApprovalNone), string(ApprovalManual)))
	}
}

func (d *reader) appClient(path string, v any, sent bool, p *Profile) AppClient {
	fallback := DedicatedAppClient
	if p.open {
		fallback = SharedAppClient
	}
	if !sent {
		return fallback
	}
	choice := AppClient(d.choice(path, v, string(SharedAppClient), string(DedicatedAppClient)))
	switch {
	case choice == DedicatedAppClient && p.open:
		d.add(path, "dedicated is not allowed on the profile of open registration: a stranger could use up the app clients of the pool")
	case choice == SharedAppClient && dcr.InOwnName(p.grants) && !dcr.UseRedirects(p.grants):
		d.add(path, "not possible: clients with client_credentials always have a dedicated one")
	}
	return choice
}

func (d *reader) consent(path string, v any, sent bool) Consent {
	if !sent {
		return ConsentAlways
	}
	return Consent(d.choice(path, v, string(ConsentAlways), string(ConsentRemember)))
}

func (d *reader) users(path string, v any) Users {
	o, ok := d.object(path, v, "groups", "identity_providers")
	if !ok {
		return Users{}
	}
	if len(o) == 0 {
		d.add(path, "must have groups or identity_providers; leave it out if every user may consent")
	}
	return Users{
		Groups:            d.names(path+".groups", o["groups"], has(o, "groups")),
		IdentityProviders: d.names(path+".identity_providers", o["identity_providers"], has(o, "identity_providers")),
	}
}

// names reads a list of groups or identity providers of the user pool. It
// cannot be empty, which would refuse every user.
func (d *reader) names(path string, v any, sent bool) []string {
	if !sent {
		return nil
	}
	items := d.list(path, v)
	if elements, ok := v.([]any); ok && len(elements) == 0 {
		d.add(path, "must not be empty; leave it out to allow every user")
	}
	for _, item := range items {
		if utf8.RuneCountInString(item.value) > 128 || strings.ContainsFunc(item.value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			d.add(item.path, "%s has spaces or more than 128 characters, so it cannot be a name in a user pool", quote(item.value))
		}
	}
	return values(items)
}

// lifetimes reads the lifetimes of registrations, in both modes.
func (d *reader) lifetimes(path string, v any, sent bool, p *Profile) {
	if p.open {
		p.lifetimes.Unconfirmed = d.rules.openUnconfirmed
	}
	if !sent {
		return
	}
	o, ok := d.object(path, v, "unconfirmed", "inactive", "absolute")
	if !ok {
		return
	}
	if has(o, "unconfirmed") {
		p.lifetimes.Unconfirmed = d.lifetime(path+".unconfirmed", o["unconfirmed"], 2*time.Hour, "2h")
	}
	if has(o, "inactive") {
		p.lifetimes.Inactive = d.lifetime(path+".inactive", o["inactive"], 24*time.Hour, "1d")
	}
	if has(o, "absolute") {
		p.lifetimes.Absolute = d.lifetime(path+".absolute", o["absolute"], 24*time.Hour, "1d")
	}
}

// maxLifetime is the longest lifetime that a policy can set.
const maxLifetime = 3650 * 24 * time.Hour

// lifetime reads hours or days. The minimum is two hours for a lifetime that is
// extended every hour, and a day for a lifetime that is checked less often.
func (d *reader) lifetime(path string, v any, least time.Duration, leastText string) time.Duration {
	s, _ := v.(string)
	unit := time.Hour
	digits, ok := strings.CutSuffix(s, "h")
	if !ok {
		digits, ok = strings.CutSuffix(s, "d")
		unit *= 24
	}
	var life time.Duration
	if ok && len(digits) <= 5 && !strings.HasPrefix(digits, "0") && strings.Trim(digits, "0123456789") == "" {
		n, _ := strconv.Atoi(digits) // 0 without digits, which is too short
		life = time.Duration(n) * unit
	}
	if life < least || life > maxLifetime {
		d.add(path, `must be hours or days as in "12h" or "7d", from %s to 3650d`, leastText)
	}
	return life
}
