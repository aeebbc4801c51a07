package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	sessionCookie = "cognito"
	csrfCookie    = "XSRF-TOKEN"
	sessionLength = time.Hour
)

// session is a sign-in with a cookie in the browser. It ends an hour after the
// password was entered, used or not.
type session struct {
	user  *User
	began time.Time
}

func (c *Cognito) session(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.sessions[cookie.Value]
	return s, ok && c.now().Before(s.began.Add(sessionLength))
}

// serveLogin serves GET and POST /login: it shows the sign-in form and handles
// its submission. It has the parameters of the authorize endpoint.
func (c *Cognito) serveLogin(w http.ResponseWriter, r *http.Request) {
	req, bad := c.parseAuthorization(r.URL.RawQuery)
	if bad != nil {
		bad.serve(w)
		return
	}
	if !req.client.settings.AllowedOAuthFlowsUserPoolClient {
		writePage(w, http.StatusBadRequest, errorPage, pageData{Title: "An error was encountered with the requested page.",
			Message: "Client is not enabled for OAuth2.0 flows."})
		return
	}
	if c.cfg.ManagedLogin == 2 && !c.branded(req.client.id) {
		writePage(w, http.StatusForbidden, errorPage, pageData{Title: "Login pages unavailable",
			Message: "Login pages unavailable. Please contact an administrator."})
		return
	}
	if !slices.Contains(req.client.settings.SupportedIdentityProviders, "COGNITO") {
		writePage(w, http.StatusForbidden, errorPage, pageData{Title: "No identity provider",
			Message: "This app client supports no identity provider, so no user can sign in to it."})
		return
	}
	if r.Method == http.MethodPost {
		c.submitLogin(w, r, req)
		return
	}
	c.showLogin(w, r, http.StatusOK, req, req.loginHint, "")
}

func (c *Cognito) branded(client string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.brandings[client]
	return ok
}

func (c *Cognito) showLogin(w http.ResponseWriter, r *http.Request, status int, req *authorizationRequest, name, message string) {
	csrf := newUUID()
	if cookie, err := r.Cookie(csrfCookie); err == nil && cookie.Value != "" {
		csrf = cookie.Value // two open sign-in pages can then both be submitted
	}
	c.setCookie(w, csrfCookie, csrf, 0)
	writePage(w, status, loginPage, pageData{
		Title: "Sign in", Message: message, Client: req.client.settings.ClientName, Name: name, CSRF: csrf,
		Pool: c.cfg.PoolID, Action: "/login?" + r.URL.RawQuery,
	})
}

func (c *Cognito) submitLogin(w http.ResponseWriter, r *http.Request, req *authorizationRequest) {
	form, bad := readForm(w, r)
	if bad != nil {
		writePage(w, bad.status, errorPage, pageData{Title: "Bad request", Message: bad.description})
		return
	}
	cookie, err := r.Cookie(csrfCookie)
	if err != nil || cookie.Value == "" || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(form.Get("_csrf"))) != 1 {
		writePage(w, http.StatusForbidden, errorPage, pageData{Title: "Form expired",
			Message: "This form did not come from our sign-in page, or cookies are off. Go back and try again."})
		return
	}
	u := c.signIn(form.Get("username"), form.Get("password"))
	if u == nil {
		c.showLogin(w, r, http.StatusUnauthorized, req, form.Get("username"), "Incorrect username or password.")
		return
	}
	s := session{u, c.now()}
	id := randomBase64(32)
	c.mu.Lock()
	c.sessions[id] = s
	c.mu.Unlock()
	c.setCookie(w, sessionCookie, id, sessionLength)
	c.complete(w, req, s)
}

// signIn returns the user with this name and password, or nil.
func (c *Cognito) signIn(name, password string) *User {
	u, ok := c.users[name]
	if !ok {
		u = &User{} // compared too, for the same time
	}
	have, sent := sha256.Sum256([]byte(u.Password)), sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(have[:], sent[:]) != 1 || !ok {
		return nil
	}
	return u
}

// setCookie sets a cookie that ends after age, or with the browser session if
// age is 0. A negative age removes it.
func (c *Cognito) setCookie(w http.ResponseWriter, name, value string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(age / time.Second), HttpOnly: true,
		Secure: strings.HasPrefix(c.cfg.BaseURL, "https:"), SameSite: http.SameSiteLaxMode,
	})
}

// serveLogout serves GET /logout: it ends the sign-in, then redirects to
// logout_uri if that is registered, or to the login page if the request has the
// parameters of an authorization request.
func (c *Cognito) serveLogout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a, ok := c.lookup(q.Get("client_id"))
	if !ok {
		(&refusal{code: "invalid_request", description: "client does not exist"}).serve(w)
		return
	}
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		c.mu.Lock()
		delete(c.sessions, cookie.Value)
		c.mu.Unlock()
	}
	c.setCookie(w, sessionCookie, "", -time.Second)
	switch to := q.Get("logout_uri"); {
	case to != "" && slices.Contains(a.settings.LogoutURLs, to):
		redirect(w, to)
	case to != "":
		(&refusal{code: "redirect_mismatch", clientID: a.id}).serve(w)
	case q.Has("redirect_uri"):
		redirect(w, "/login?"+url.Values(q).Encode())
	default:
		(&refusal{code: "invalid_request", description: "logout_uri or redirect_uri is required"}).serve(w)
	}
}
