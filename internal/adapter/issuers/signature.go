package issuers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/go-jose/go-jose/v4"

	"github.com/dcr-broker/dcr-broker/internal/adapter/jwt"
)

// signature is the oidc.KeySet for one JWT. It stores the error of a failed
// fetch in unavailable, because go-oidc's error does not distinguish it from an
// invalid JWT.
type signature struct {
	keys       *jwt.KeySet
	algorithms []jose.SignatureAlgorithm

	payload     []byte
	unavailable error
}

// VerifySignature implements oidc.KeySet.
func (s *signature) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, s.algorithms)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	if header.KeyID == "" {
		return nil, errors.New("it has no kid")
	}
	key, err := s.keys.Key(ctx, header.KeyID)
	if errors.Is(err, jwt.ErrUnknownKey) {
		return nil, err
	}
	if err != nil {
		s.unavailable = err
		return nil, err
	}
	if key.Algorithm != "" && key.Algorithm != header.Algorithm {
		return nil, fmt.Errorf("the key is for %s, not %s", key.Algorithm, header.Algorithm)
	}
	s.payload, err = jws.Verify(key)
	return s.payload, err
}

// limited is a transport that cuts off responses longer than jwt.MaxBody.
type limited struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, jwt.MaxBody+1), resp.Body}
	}
	return resp, err
}
