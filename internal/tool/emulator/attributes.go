package emulator

import (
	"slices"
	"strings"
)

// standardAttributes are the attributes of a pool without custom ones.
var standardAttributes = []string{
	"address", "birthdate", "email", "email_verified", "family_name", "gender", "given_name", "locale", "middle_name",
	"name", "nickname", "phone_number", "phone_number_verified", "picture", "preferred_username", "profile", "sub",
	"updated_at", "website", "zoneinfo",
}

// attributes returns what a user has, apart from sub. Verified ones are "true" or
// "false".
func (u *User) attributes() map[string]string {
	out := map[string]string{}
	for name, value := range u.Attributes {
		out[name] = value
	}
	if u.Email != "" {
		out["email"], out["email_verified"] = u.Email, "true"
		if u.Unverified {
			out["email_verified"] = "false"
		}
	}
	return out
}

// shown returns the attributes that tokens with these scopes show to an app
// client. openid without email, phone and profile shows all that the app client
// may read, and so does profile.
func (s Settings) shown(u *User, scopes []string) map[string]string {
	some := func(scope string) bool { return slices.Contains(scopes, scope) }
	all := some("profile") || some("openid") && !some("email") && !some("phone")
	out := u.attributes()
	for name := range out {
		asked := all || some("email") && strings.HasPrefix(name, "email") || some("phone") && strings.HasPrefix(name, "phone_number")
		if !asked || !s.reads(name) {
			delete(out, name)
		}
	}
	return out
}

// reads reports whether the app client may read the attribute. An app client
// without ReadAttributes reads all standard ones.
func (s Settings) reads(name string) bool {
	return len(s.ReadAttributes) == 0 || slices.Contains(s.ReadAttributes, name)
}

// attributeClaims returns the claims of an ID token that show the attributes:
// Boolean where userInfo has text.
func attributeClaims(attributes map[string]string) map[string]any {
	out := map[string]any{}
	for name, value := range attributes {
		if strings.HasSuffix(name, "_verified") {
			out[name] = value == "true"
			continue
		}
		out[name] = value
	}
	return out
}

// username returns the name that tokens have.
func (c *Cognito) username(u *User) string {
	if c.cfg.EmailUsernames {
		return u.Sub
	}
	return u.Name
}

// userBySub returns the user, or nil.
func (c *Cognito) userBySub(sub string) *User {
	for _, u := range c.users {
		if u.Sub == sub {
			return u
		}
	}
	return nil
}
