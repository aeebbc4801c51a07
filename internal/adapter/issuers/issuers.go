// Package issuers is an adapter: it verifies JWTs (RFC 7519) of the issuers
// that the policy names, which are initial access tokens and software
// statements. It implements registration.JWTs.
//
// The keys are found by OpenID Connect discovery, unless the policy names their
// URL, and cached (jwt.KeySet). They are fetched when the first JWT of their
// issuer is verified. No URL from a JWT is fetched: its iss selects one of the
// policy's issuers and its kid one of that issuer's keys; jku, x5u, jwk and x5c
// are ignored (RFC 8725 §3.10).
//
// The package leaves out what a JWT allows: the caller checks the audience and
// compares claims with the policy. It is separate from package jwt because it
// links go-oidc, which only the function register needs.
package issuers

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
	josejwt "github.com/go-jose/go-jose/v4/jwt"

	"github.com/dcr-broker/dcr-broker/internal/adapter"
	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	// MaxToken is the largest accepted size of a JWT in bytes.
	MaxToken = 8 << 10
	// skew is the largest accepted difference between an issuer's clock and
	// ours.
	skew = time.Minute
	// maxExpiry is the end of the year 9999 in Unix time. A later time.Time has
	// no JSON form.
	maxExpiry = 253402300799
)

// Verifier is a registration.JWTs. It is safe for concurrent use.
type Verifier struct {
	client *http.Client
	now    func() time.Time

	mu sync.Mutex
	// sets has the key sets that have been used, by issuer. Their number is
	// limited by the number of issuers that policies have named since the
	// process started.
	sets map[string]*jwt.KeySet
}

// New returns a Verifier that fetches with a copy of client, or of the zero
// http.Client if it is nil. Redirects are not followed.
func New(client *http.Client, now func() time.Time) *Verifier {
	client = adapter.WithoutRedirects(client)
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	client.Transport = limited{client.Transport}
	return &Verifier{client: client, now: now, sets: make(map[string]*jwt.KeySet)}
}

// Verify implements registration.JWTs.
func (v *Verifier) Verify(ctx context.Context, issuers []policy.Issuer, token string) (*policy.JWT, error) {
	issuer, err := selectIssuer(issuers, token)
	if err != nil {
		return nil, err
	}
	sig := &signature{keys: v.keys(issuer), algorithms: joseAlgorithms(issuer)}
	// read checks the times: go-oidc treats a JWT without exp as expired, and
	// accepts nbf five minutes early. The caller checks the audience.
	verifier := oidc.NewVerifier(issuer.URL, sig, &oidc.Config{
		SupportedSigningAlgs: issuer.Algorithms, SkipClientIDCheck: true, SkipExpiryCheck: true,
	})
	_, err = verifier.Verify(ctx, token)
	if sig.unavailable != nil {
		return nil, fmt.Errorf("issuers: keys of %s: %w", issuer.URL, sig.unavailable)
	}
	if err != nil {
		return nil, &policy.NotVerifiedError{Reason: "it is not signed with a key and an algorithm that its issuer may use", Cause: err}
	}
	return v.read(sig.payload)
}

// selectIssuer returns the issuer that the token names. The token is not yet
// verified at this point.
func selectIssuer(issuers []policy.Issuer, token string) (policy.Issuer, error) {
	none := policy.Issuer{}
	if len(token) > MaxToken {
		return none, &policy.NotVerifiedError{Reason: fmt.Sprintf("it is longer than %d bytes", MaxToken)}
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return none, &policy.NotVerifiedError{Reason: "it is not a signed JWT"}
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return none, &policy.NotVerifiedError{Reason: "it is not a signed JWT", Cause: err}
	}
	claims, _, err := decode(payload)
	if err != nil {
		return none, err
	}
	i := slices.IndexFunc(issuers, func(i policy.Issuer) bool { return i.URL == claims["iss"] })
	if i < 0 {
		return none, policy.ErrUnknownIssuer
	}
	return issuers[i], nil
}

// decode reads claims. Claim names must be unique (RFC 7519 §4): a repeated
// name is an error here, and names are matched exactly. The decoder of go-jose
// does this, encoding/json does not.
func decode(payload []byte) (policy.Claims, josejwt.Claims, error) {
	var claims policy.Claims
	var std josejwt.Claims
	err := errors.Join(json.Unmarshal(payload, &claims), json.Unmarshal(payload, &std))
	if err == nil && claims == nil {
		err = errors.New("null")
	}
	if err != nil {
		return nil, std, &policy.NotVerifiedError{Reason: "its claims cannot be read", Cause: err}
	}
	return claims, std, nil
}

// read returns the content of a JWT whose signature is valid, after it has
// checked exp, nbf and iat (RFC 7519 §4.1.4 to §4.1.6).
func (v *Verifier) read(payload []byte) (*policy.JWT, error) {
	claims, std, err := decode(payload)
	if err != nil {
		return nil, err
	}
	switch err := std.ValidateWithLeeway(josejwt.Expected{Time: v.now()}, skew); {
	case errors.Is(err, josejwt.ErrExpired):
		return nil, &policy.NotVerifiedError{Reason: "it has expired"}
	case err != nil:
		return nil, &policy.NotVerifiedError{Reason: "it is not valid yet", Cause: err}
	case std.Expiry != nil && *std.Expiry > maxExpiry:
		return nil, &policy.NotVerifiedError{Reason: "its exp is too late"}
	}
	j := &policy.JWT{Issuer: std.Issuer, Subject: std.Subject, ID: identify(std, payload), Claims: claims}
	if std.Expiry != nil {
		j.ExpiresAt = std.Expiry.Time().UTC()
	}
	return j, nil
}

// identify returns an id that distinguishes a JWT from all others. Without jti
// it is a hash of the signed claims and not of the whole token, because an
// ECDSA signature can be changed into another valid one.
func identify(c josejwt.Claims, payload []byte) string {
	what := append([]byte("claims\x00"), payload...)
	if c.ID != "" {
		what = []byte("jti\x00" + c.Issuer + "\x00" + c.ID)
	}
	sum := sha256.Sum256(what)
	return hex.EncodeToString(sum[:])
}

// keys returns the key set of an issuer.
func (v *Verifier) keys(issuer policy.Issuer) *jwt.KeySet {
	id := strings.Join(append([]string{issuer.URL, issuer.KeySet}, issuer.Algorithms...), "\n")
	v.mu.Lock()
	defer v.mu.Unlock()
	set := v.sets[id]
	if set == nil {
		set = jwt.NewKeySet(func(ctx context.Context) (jwt.Keys, error) { return v.fetch(ctx, issuer) }, v.now)
		v.sets[id] = set
	}
	return set
}

func (v *Verifier) fetch(ctx context.Context, issuer policy.Issuer) (jwt.Keys, error) {
	location := issuer.KeySet
	if location == "" {
		var err error
		if location, err = v.discover(ctx, issuer.URL); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}
	return jwt.FetchKeys(ctx, v.client, location, joseAlgorithms(issuer))
}

// discover returns the jwks_uri in the discovery document of an issuer (OpenID
// Connect Discovery 1.0 §4). The issuer in the document must be the same
// (§4.3).
func (v *Verifier) discover(ctx context.Context, issuer string) (string, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, v.client), issuer)
	if err != nil {
		// The error may contain the whole response of the issuer.
		return "", fmt.Errorf("%.300v", err)
	}
	var document struct {
		KeySet string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return "", err
	}
	u, err := url.Parse(document.KeySet)
	// An issuer with an http URL is on this machine, because the policy allows
	// no other http URL.
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !strings.HasPrefix(issuer, "http:") || !dcr.IsLoopback(u.Hostname())) {
		return "", fmt.Errorf("jwks_uri %.300q is not an https URL", document.KeySet)
	}
	return document.KeySet, nil
}

func joseAlgorithms(issuer policy.Issuer) []jose.SignatureAlgorithm {
	var algorithms []jose.SignatureAlgorithm
	for _, a := range issuer.Algorithms {
		algorithms = append(algorithms, jose.SignatureAlgorithm(a))
	}
	return algorithms
}
