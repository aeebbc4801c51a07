package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// poolIssuer is the issuer of the environment's user pool.
const poolIssuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_local00001"

// poolCode returns a code of the pool.
func poolCode(i int) string { return fmt.Sprintf("%08d%s", i, exampleCode[8:]) }

// answers has the OAuth endpoints and the key set of a user pool that answers
// immediately, because all answers are prepared. It has a batch of codes and of
// refresh tokens. Each begins with a number, the index of its answer.
type answers struct {
	keys     string
	redeemed [batch]string // by the number in the code
	renewed  [batch]string // by the number in the refresh token
}

// pool prepares the answers once, because signing is slow.
var pool = sync.OnceValue(prepare)

// prepare builds the answers, with tokens of the same size as Cognito's, for
// the first app client of fake.Pool. They have the longest lifetime
// that Cognito allows, so that none expires during a run.
func prepare() *answers {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // only without random numbers, and then Go itself ends the process
	}
	encode := base64.RawURLEncoding.EncodeToString
	jwt := func(claims string) string {
		text := encode([]byte(`{"kid":"k","alg":"RS256"}`)) + "." + encode([]byte(claims))
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err) // impossible with a key of this size
		}
		return text + "." + encode(signature)
	}
	now := time.Now()
	const subject, app = "c0ffee00-0000-4000-8000-00000000a11c", "appclient1"
	a := &answers{keys: fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"k","alg":"RS256","use":"sig","n":%q,"e":%q}]}`,
		encode(key.N.Bytes()), encode(big.NewInt(int64(key.E)).Bytes()))}
	for i := range batch {
		common := fmt.Sprintf(`"iss":%q,"sub":%q,"origin_jti":"%08d-0000-4000-8000-000000000000","event_id":"%s","auth_time":%d,"iat":%[5]d,"exp":%d,"jti":"%s"`,
			poolIssuer, subject, i, strings.Repeat("e", 36), now.Unix(), now.Add(24*time.Hour).Unix(), strings.Repeat("j", 36))
		access := jwt(fmt.Sprintf(`{%s,"client_id":%q,"token_use":"access","version":2,"scope":"openid mcp/read","username":"alice"}`, common, app))
		id := jwt(fmt.Sprintf(`{%s,"aud":%q,"token_use":"id","cognito:username":"alice","email":"alice@example.com","email_verified":true}`, common, app))
		a.renewed[i] = fmt.Sprintf(`{"access_token":%q,"id_token":%q,"token_type":"Bearer","expires_in":86400}`, access, id)
		a.redeemed[i] = fmt.Sprintf(`{"access_token":%q,"id_token":%q,"refresh_token":"%08d%s","token_type":"Bearer","expires_in":86400}`, access, id, i, strings.Repeat("r", 1800))
	}
	return a
}

// RoundTrip implements http.RoundTripper.
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return atOnce(func() string { return a.keys }).RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body.Close()
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	name, from := "code", &a.redeemed
	if form.Get("grant_type") == "refresh_token" {
		name, from = "refresh_token", &a.renewed
	}
	value := form.Get(name)
	i, err := strconv.Atoi(value[:min(8, len(value))])
	if err != nil || i >= batch {
		return nil, fmt.Errorf("%s %.20q is not the pool's", name, value)
	}
	r.Body = nil
	return atOnce(func() string { return from[i] }).RoundTrip(r)
}
