package functions

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// secretCollector has the secrets that passed in requests and answers, by kind.
type secretCollector struct {
	mu    sync.Mutex
	kinds map[string][]string
}

func newSecretCollector() *secretCollector {
	return &secretCollector{kinds: make(map[string][]string)}
}

// secretNames are the names of parameters and members that hold secrets. Some,
// such as state, are not secret alone, but with them a reader of the log could
// continue an authorization that a user has begun.
var secretNames = []string{
	"code", "code_verifier", "state", "nonce", "csrf", "password", "client_secret", "registration_access_token",
	"access_token", "refresh_token", "id_token", "software_statement", "ClientSecret",
}

// shortest is the minimum length of a secret. A shorter text can be in a log by
// chance.
const shortest = 9

func (h *secretCollector) add(kind, secret string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(secret) >= shortest && !slices.Contains(h.kinds[kind], secret) {
		h.kinds[kind] = append(h.kinds[kind], secret)
	}
}

// byKind returns the secrets by kind.
func (h *secretCollector) byKind() map[string][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make(map[string][]string)
	for kind, secrets := range h.kinds {
		all[kind] = slices.Clone(secrets)
	}
	return all
}

// wrap returns next, and collects the secrets in its requests and answers.
// whose is the prefix of their kinds.
func (h *secretCollector) wrap(whose string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		h.request(whose, r, body)
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		h.answer(whose, rec.Header(), rec.Body.Bytes())
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	})
}

func (h *secretCollector) request(whose string, r *http.Request, body []byte) {
	h.values(whose, r.URL.Query())
	if form, err := url.ParseQuery(string(body)); err == nil {
		h.values(whose, form)
	}
	h.members(whose, body)
	for _, c := range r.Cookies() {
		h.add(whose+"cookie", c.Value)
	}
	if _, secret, ok := r.BasicAuth(); ok {
		h.add(whose+"client_secret", secret)
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		kind := "registration_access_token"
		switch {
		case strings.Count(token, ".") == 2:
			kind = "JWT of a token issuer"
		case strings.HasPrefix(token, "dcr_iat_"):
			kind = "initial access token"
		}
		h.add(whose+kind, token)
	}
}

func (h *secretCollector) answer(whose string, header http.Header, body []byte) {
	if to, err := url.Parse(header.Get("Location")); err == nil {
		h.values(whose, to.Query())
	}
	for _, line := range header.Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil {
			h.add(whose+"cookie", c.Value)
		}
	}
	h.members(whose, body)
	if m := csrfField.FindSubmatch(body); m != nil {
		h.add(whose+"csrf", string(m[1]))
	}
	if m := refresh.FindSubmatch(body); m != nil {
		if to, err := url.Parse(strings.ReplaceAll(string(m[1]), "&amp;", "&")); err == nil {
			h.values(whose, to.Query())
		}
	}
}

func (h *secretCollector) values(whose string, v url.Values) {
	for _, name := range secretNames {
		for _, secret := range v[name] {
			h.add(whose+name, secret)
		}
	}
}

// members collects the secrets in a JSON object at any depth.
func (h *secretCollector) members(whose string, body []byte) {
	var object any
	if json.Unmarshal(body, &object) == nil {
		h.walk(whose, object)
	}
}

func (h *secretCollector) walk(whose string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if s, ok := member.(string); ok && slices.Contains(secretNames, name) {
				h.add(whose+strings.Replace(name, "ClientSecret", "client_secret", 1), s)
			}
			h.walk(whose, member)
		}
	case []any:
		for _, member := range v {
			h.walk(whose, member)
		}
	}
}

// leak returns the form in which text has the secret, its end or its hash, or
// "" if text has none of these. The beginning of a token is not secret: there
// are ids and headers of JWTs.
func leak(text, secret string) string {
	sum := sha256.Sum256([]byte(secret))
	quoted, _ := json.Marshal(secret)
	for how, part := range map[string]string{
		"whole":                secret,
		"quoted":               strings.Trim(string(quoted), `"`),
		"in a URL":             url.QueryEscape(secret),
		"in base64":            base64.StdEncoding.EncodeToString([]byte(secret)),
		"its end":              secret[max(0, len(secret)-24):],
		"its SHA-256":          hex.EncodeToString(sum[:]),
		"its SHA-256, base64":  base64.StdEncoding.EncodeToString(sum[:]),
		"its SHA-256, base64u": base64.RawURLEncoding.EncodeToString(sum[:]),
	} {
		if strings.Contains(text, part) {
			return how
		}
	}
	return ""
}
