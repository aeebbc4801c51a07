package policy

import (
	"cmp"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// brokered checks the members of a profile about authorization by the broker.
// The grant types of p must be set.
func (d *checker) brokered(path string, o DocumentProfile, p *Profile) {
	p.approval = ApprovalNone
	if !d.rules.signsIn {
		// The deployment would not keep what the policy promises.
		for _, member := range []struct {
			name string
			sent bool
		}{{"app_client", o.AppClient != ""}, {"approval", o.Approval != ""}, {"consent", o.Consent != ""}, {"users", o.Users != nil}} {
			if at := path + "." + member.name; member.sent || d.Within(at) {
				d.Add(at, "not supported in direct mode, where Cognito signs users in without a consent page")
			}
		}
		return
	}
	p.appClient = d.appClient(path+".app_client", o.AppClient, p)
	p.consent = cmp.Or(o.Consent, ConsentAlways)
	p.approval = cmp.Or(o.Approval, ApprovalNone)
	if o.Users != nil {
		p.users = d.users(path+".users", *o.Users)
	}
}

func (d *checker) appClient(path string, choice AppClient, p *Profile) AppClient {
	signsIn := dcr.UseRedirects(p.grants)
	switch {
	case choice == "" && signsIn:
		return SharedAppClient
	case choice == "":
		return DedicatedAppClient
	case choice == DedicatedAppClient && p.open:
		d.Add(path, "dedicated is not allowed on the profile of open registration: a stranger could use up the app clients of the pool")
	case choice == SharedAppClient && dcr.InOwnName(p.grants) && !signsIn:
		d.Add(path, "shared is not possible: a client with client_credentials always has a dedicated app client")
	}
	return choice
}

func (d *checker) users(path string, o Users) Users {
	if o.Groups == nil && o.IdentityProviders == nil && !d.Within(path) {
		d.Add(path, "must have groups or identity_providers; leave it out if every user may consent")
	}
	return Users{
		Groups:            d.names(path+".groups", o.Groups, maxGroup),
		IdentityProviders: d.names(path+".identity_providers", o.IdentityProviders, MaxProvider),
	}
}

const (
	// MaxProvider is the length of an identity provider's name in Cognito.
	MaxProvider = 32
	// maxGroup is the length of a group's name in Cognito.
	maxGroup = 128
)

// names checks a list of groups or identity providers of the user pool. It
// cannot be empty, which would refuse every user.
func (d *checker) names(path string, list []string, limit int) []string {
	if list != nil && len(list) == 0 {
		d.Add(path, "must not be empty; leave it out to allow every user")
	}
	return PoolNames(path, list, limit, d.Faults)
}

// lifetimes sets the lifetimes of registrations, in both modes.
func (d *checker) lifetimes(o DocumentLifetimes, p *Profile) {
	p.lifetimes = Lifetimes{time.Duration(o.Unconfirmed), time.Duration(o.Inactive), time.Duration(o.Absolute)}
	if p.open && o.Unconfirmed == 0 {
		p.lifetimes.Unconfirmed = d.rules.openUnconfirmed
	}
}
