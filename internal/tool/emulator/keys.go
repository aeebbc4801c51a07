package emulator

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// newSigner returns a signer of tokens with key, and the key set that verifies
// them. The header of a token has only kid and alg, and in particular no typ.
func newSigner(key *rsa.PrivateKey) (jose.Signer, jose.JSONWebKeySet, error) {
	pub := jose.JSONWebKey{Key: &key.PublicKey, Algorithm: string(jose.RS256), Use: "sig"}
	sum := sha256.Sum256(key.N.Bytes())
	pub.KeyID = base64.StdEncoding.EncodeToString(sum[:])
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.RS256,
		Key:       jose.JSONWebKey{Key: key, KeyID: pub.KeyID},
	}, nil)
	if err != nil {
		return nil, jose.JSONWebKeySet{}, fmt.Errorf("emulator: make a signer: %w", err)
	}
	return signer, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{pub}}, nil
}

func (c *Cognito) sign(claims map[string]any) (string, error) {
	b, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("emulator: encode claims: %w", err)
	}
	sig, err := c.signer.Sign(b)
	if err != nil {
		return "", fmt.Errorf("emulator: sign: %w", err)
	}
	return sig.CompactSerialize()
}

// verify returns the claims of a token that this pool signed. It does not check
// exp.
func (c *Cognito) verify(token string) (map[string]any, bool) {
	sig, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, false
	}
	b, err := sig.Verify(&c.cfg.Key.PublicKey)
	if err != nil {
		return nil, false
	}
	var claims map[string]any
	return claims, json.Unmarshal(b, &claims) == nil
}
