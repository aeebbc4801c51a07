// Package edge is an adapter: it knows the requests that come through the edge in
// front of the API, such as CloudFront. The edge sends a secret in a header. With
// the secret, the broker believes what the edge says about the viewer. A request
// without it has gone past the edge, and is refused.
//
// The package leaves out where the secret is stored, and every other header about
// clients: anyone can write them.
package edge

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const (
	// SecretHeader is the header in which the edge sends the secret.
	SecretHeader = "X-Edge-Secret"
	// viewerHeader has the address of the viewer and its port. CloudFront replaces
	// what the viewer sends.
	viewerHeader = "CloudFront-Viewer-Address"
)

// minSecret is the minimum length of a secret. 32 random letters and digits are
// 190 bits.
const minSecret = 32

// A Secret is what the edge sends: the current value, or the previous one while
// the value changes. It prints as "[redacted]".
type Secret struct {
	accepted [][sha256.Size]byte
}

// String implements fmt.Stringer.
func (Secret) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Parse reads a JSON object with current and, optionally, previous. The error
// never contains a value.
func Parse(document []byte) (*Secret, error) {
	var d struct {
		Current  string `json:"current"`
		Previous string `json:"previous"`
	}
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, errors.New("edge secret: not a JSON object with the texts current and previous")
	}
	if len(d.Current) < minSecret {
		return nil, fmt.Errorf("edge secret: current has fewer than %d characters", minSecret)
	}
	s := &Secret{accepted: [][sha256.Size]byte{sha256.Sum256([]byte(d.Current))}}
	if d.Previous != "" {
		if len(d.Previous) < minSecret {
			return nil, fmt.Errorf("edge secret: previous has fewer than %d characters", minSecret)
		}
		s.accepted = append(s.accepted, sha256.Sum256([]byte(d.Previous)))
	}
	return s, nil
}

func (s *Secret) accept(value string) bool {
	sum, ok := sha256.Sum256([]byte(value)), 0
	for _, accepted := range s.accepted {
		ok |= subtle.ConstantTimeCompare(sum[:], accepted[:])
	}
	return ok == 1
}

// Admit returns the function that refuses requests without the secret. A request
// with it gets the viewer's address as its RemoteAddr, or none if the edge does
// not tell it, and loses both headers.
func Admit(secret func(context.Context) (*Secret, error)) func(*http.Request) error {
	return func(r *http.Request) error {
		s, err := secret(r.Context())
		if err != nil {
			return broker.Unavailable("the request could not be checked, try again", broker.RetrySoon, fmt.Errorf("edge secret: %w", err))
		}
		if values := r.Header.Values(SecretHeader); len(values) != 1 || !s.accept(values[0]) {
			return &httpapi.Error{Status: http.StatusForbidden, Code: "access_denied", Description: "this request did not come through the edge of this server; use the address that its issuer names"}
		}
		r.RemoteAddr = viewer(r.Header.Values(viewerHeader))
		r.Header.Del(SecretHeader)
		r.Header.Del(viewerHeader)
		return nil
	}
}

// Hidden is the function for an edge that hides the addresses of viewers: the
// address of the connection is the edge's own.
func Hidden(r *http.Request) error {
	r.RemoteAddr = ""
	return nil
}

// viewer returns the host:port form of net/http. CloudFront writes an IPv6 address
// without brackets: "2001:db8::1:443" has the port 443.
func viewer(values []string) string {
	if len(values) != 1 {
		return ""
	}
	i := strings.LastIndexByte(values[0], ':')
	if i < 0 {
		return ""
	}
	host := strings.TrimSuffix(strings.TrimPrefix(values[0][:i], "["), "]")
	address, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	return netip.AddrPortFrom(address, 0).String()
}
