package emulator

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Plan is the feature plan of the pool.
type Plan string

// The plans, cheapest first. Resource binding, refresh token rotation and
// ALLOW_USER_AUTH need Essentials or Plus.
const (
	Lite       Plan = "LITE"
	Essentials Plan = "ESSENTIALS"
	Plus       Plan = "PLUS"
)

// User is a confirmed user of the pool.
type User struct {
	Name     string // sign-in name, REQUIRED
	Password string // REQUIRED
	Email    string // optional; with EmailUsernames it is Name if empty
	Groups   []string
	Sub      string // a random UUID if empty

	Unverified bool              // Email is not verified
	Attributes map[string]string // other standard attributes, such as given_name
}

// ResourceServer defines custom scopes, each used as Identifier + "/" + scope.
type ResourceServer struct {
	Identifier string
	Scopes     []string
}

// Config is the configuration of a pool. Only BaseURL is REQUIRED.
type Config struct {
	// BaseURL is the origin of the emulator, for example
	// "http://localhost:9229": scheme and authority, no path. The issuer is
	// BaseURL + "/" + PoolID.
	BaseURL string

	PoolID string // "us-east-1_local00001" if empty
	Region string // the part of PoolID before "_" if empty
	Domain string // prefix of the user pool domain as DescribeUserPool reports it, "local" if empty

	// NoDomain makes a pool without a domain: it has no OAuth endpoints, and
	// like Cognito's its discovery document points to endpoints that do not
	// exist.
	NoDomain bool

	Users           []User
	ResourceServers []ResourceServer

	// Plan is the feature plan, Essentials if empty, which is AWS's default for
	// a new pool.
	Plan Plan

	// ManagedLogin is the version of the domain's login pages: 1 (classic
	// hosted UI) or 2 (managed login, where every app client needs a branding
	// style). 0 means 1.
	ManagedLogin int

	// EmailUsernames makes a pool as template.yaml does (UsernameAttributes:
	// email): users sign in with their email address, and the user name in tokens
	// is a UUID, the sub.
	EmailUsernames bool

	// BareIDTokens leaves all attributes out of ID tokens for openid without
	// email, phone and profile. What Cognito does is not known.
	BareIDTokens bool

	// RefuseResource refuses the parameter resource with invalid_request if
	// resource binding is not available (plan Lite, or classic login pages).
	// Without RefuseResource the parameter is ignored in these cases.
	RefuseResource bool

	// RequireRefreshFlow refuses an app client that names ALLOW_ flows without
	// ALLOW_REFRESH_TOKEN_AUTH and does not rotate refresh tokens. Cognito did
	// this in 2020; whether it still does is not known.
	RequireRefreshFlow bool

	// Registration is the pool's own dynamic client registration; nil is none.
	Registration *DCRConfiguration
	// CIMDPolicies are the pool's policies for client ID metadata documents.
	CIMDPolicies []CIMDPolicy

	AppClientQuota int  // app clients in the pool; 0 means 1,000
	NoRateLimit    bool // no limit of 5 calls a second per operation, for load tests

	Now func() time.Time // nil means time.Now
	Key *rsa.PrivateKey  // signs the tokens; a new 2,048 bit key if nil
}

var poolIDPattern = regexp.MustCompile(`^[\w-]+_[0-9a-zA-Z]+$`)

// normalize fills in the defaults and returns every fault of cfg at once.
func (cfg Config) normalize() (Config, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("emulator: "+format, args...)) }

	u, err := url.Parse(cfg.BaseURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Scheme+"://"+u.Host != cfg.BaseURL {
		bad("BaseURL %q is not an origin", cfg.BaseURL)
	}
	if cfg.PoolID == "" {
		cfg.PoolID = "us-east-1_local00001"
	}
	if len(cfg.PoolID) > 55 || !poolIDPattern.MatchString(cfg.PoolID) {
		bad("PoolID %q is not a user pool id", cfg.PoolID)
	}
	if cfg.Region == "" {
		cfg.Region, _, _ = strings.Cut(cfg.PoolID, "_")
	}
	if cfg.Domain == "" {
		cfg.Domain = "local"
	}
	switch cfg.Plan {
	case "":
		cfg.Plan = Essentials
	case Lite, Essentials, Plus:
	default:
		bad("no plan %q", cfg.Plan)
	}
	cfg.checkFeatures(bad)
	switch cfg.ManagedLogin {
	case 0:
		cfg.ManagedLogin = 1
	case 1:
	case 2:
		if cfg.Plan == Lite {
			bad("managed login (ManagedLogin 2) is not in the plan Lite")
		}
	default:
		bad("no ManagedLogin version %d", cfg.ManagedLogin)
	}
	if cfg.AppClientQuota == 0 {
		cfg.AppClientQuota = 1000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Users = slices.Clone(cfg.Users)
	for i := range cfg.Users {
		u := &cfg.Users[i]
		if u.Name == "" || u.Password == "" {
			bad("Users[%d] has no name or no password", i)
		}
		if u.Sub == "" {
			u.Sub = newUUID()
		}
		if cfg.EmailUsernames {
			u.Email = cmp.Or(u.Email, u.Name)
		}
		u.Groups, u.Attributes = slices.Clone(u.Groups), maps.Clone(u.Attributes)
		for name := range u.Attributes {
			if !slices.Contains(standardAttributes, name) || name == "sub" || strings.HasPrefix(name, "email") {
				bad("Users[%d] has the attribute %q, which is not a standard one or has a field of its own", i, name)
			}
		}
	}
	if cfg.Key == nil && len(errs) == 0 {
		if cfg.Key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			bad("make a key: %w", err)
		}
	}
	return cfg, errors.Join(errs...)
}
