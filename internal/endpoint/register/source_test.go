package register_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/endpoint/register"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// sources has the sources of all registrations.
type sources struct {
	register.Registrar
	all []netip.Addr
}

func (s *sources) Register(ctx context.Context, req *dcr.Request, _ credential.Token) (*dcr.ClientInformation, error) {
	s.all = append(s.all, broker.SourceOf(ctx))
	return &dcr.ClientInformation{ClientID: "a", Metadata: req.Metadata}, nil
}

// A client can write every header, so no header says where it is.
func TestTheSourceIsTheConnection(t *testing.T) {
	for remote, want := range map[string]netip.Addr{
		"192.0.2.1:0":            netip.MustParseAddr("192.0.2.1"),
		"[2001:db8::1]:443":      netip.MustParseAddr("2001:db8::1"),
		"[::ffff:192.0.2.1]:443": netip.MustParseAddr("192.0.2.1"),
		"[fe80::1%eth0]:443":     netip.MustParseAddr("fe80::1"),
		"":                       {},
		"192.0.2.1":              {},
		"@":                      {}, // a Unix socket
	} {
		var s sources
		rt := httpapi.NewRouter(slog.New(slog.DiscardHandler))
		register.Mount(rt, &s)
		r := httptest.NewRequest(http.MethodPost, "/register", strings.NewReader(open))
		r.RemoteAddr = remote
		for name, value := range map[string]string{
			"Content-Type": "application/json", "X-Forwarded-For": "198.51.100.1", "Forwarded": "for=198.51.100.1", "X-Real-Ip": "198.51.100.1",
			"Cloudfront-Viewer-Address": "198.51.100.1:1", "True-Client-Ip": "198.51.100.1",
		} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		if w.Code != http.StatusCreated || len(s.all) != 1 || s.all[0] != want {
			t.Errorf("from %q: %d, sources %v, want %v", remote, w.Code, s.all, want)
		}
	}
}
