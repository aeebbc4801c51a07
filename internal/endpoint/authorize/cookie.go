package authorize

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

const (
	// maxTransactions is how many transactions one browser may have: then its
	// cookies have less than 600 bytes. A browser sends all of them with each
	// request, and drops cookies of a host that has very many.
	maxTransactions = 5
	// switched follows the secret of a transaction that waits until Cognito has
	// signed the browser out. The sign-out URL has no parameters, so the address
	// cannot say which transaction continues.
	switched = ".switched"
)

// cookies are the cookies with the secrets of transactions. Each transaction has
// one, with its ID in the name. The prefix __Host- keeps other hosts of the domain
// from setting it (RFC 6265bis §4.1.3.2). The prefix requires the attribute
// Secure, which a browser does not accept from the http loopback issuer of
// development.
type cookies struct{ secure bool }

func newCookies(issuer string) cookies { return cookies{strings.HasPrefix(issuer, "https://")} }

func (c cookies) prefix() string {
	if c.secure {
		return "__Host-dcr_tx_"
	}
	return "dcr_tx_"
}

// jar is the cookies of one browser, by ID, with the changes of one request. It is
// not safe for concurrent use.
type jar struct {
	cookies cookies
	ids     []string // in the order of the request
	sent    map[string][]string
	changed map[string]string
}

// of returns the cookies that the browser sent.
func (c cookies) of(r *http.Request) *jar {
	j := &jar{cookies: c, sent: make(map[string][]string), changed: make(map[string]string)}
	for _, cookie := range r.Cookies() {
		if id, ok := strings.CutPrefix(cookie.Name, c.prefix()); ok {
			if j.sent[id] == nil {
				j.ids = append(j.ids, id)
			}
			j.sent[id] = append(j.sent[id], cookie.Value)
		}
	}
	return j
}

// secret returns the secret of a transaction. It is the zero Secret if the browser
// has no such cookie or more than one of the name: then one of them is not ours.
func (j *jar) secret(id string) authorization.Secret {
	if sent := j.sent[id]; len(sent) == 1 {
		return authorization.ParseSecret(id, strings.TrimSuffix(sent[0], switched))
	}
	return authorization.Secret{}
}

// switched returns the secrets of the transactions that wait until Cognito has
// signed the browser out, the newest first.
func (j *jar) switched() []authorization.Secret {
	var waiting []authorization.Secret
	for _, id := range j.ids {
		if s := j.secret(id); strings.HasSuffix(j.sent[id][0], switched) && !s.IsZero() {
			waiting = append(waiting, s)
		}
	}
	slices.SortStableFunc(waiting, func(a, b authorization.Secret) int { return b.Began().Compare(a.Began()) })
	return waiting
}

// add gives the browser the secret of a new transaction. The oldest transaction
// goes if the browser has too many; those that are over go first.
func (j *jar) add(s authorization.Secret) {
	began := func(id string) time.Time {
		if _, over := j.changed[id]; over {
			return time.Time{}
		}
		return j.secret(id).Began()
	}
	ids := slices.Clone(j.ids)
	slices.SortStableFunc(ids, func(a, b string) int { return began(a).Compare(began(b)) })
	for _, id := range ids[:max(len(ids)-maxTransactions+1, 0)] {
		j.changed[id] = ""
	}
	j.changed[s.ID()] = s.Reveal()
}

// addSwitched is add for a transaction that waits until Cognito has signed the
// browser out; resumed ends the wait.
func (j *jar) addSwitched(s authorization.Secret) {
	j.add(s)
	j.changed[s.ID()] += switched
}

func (j *jar) resumed(s authorization.Secret) { j.changed[s.ID()] = s.Reveal() }

// end notes that a transaction of the browser is over.
func (j *jar) end(s authorization.Secret) {
	if !s.IsZero() {
		j.changed[s.ID()] = authorization.EndedSecret().Reveal()
	}
}

// write sends the changes to the browser. The cookies are SameSite=Lax, because
// the browser comes back from Cognito, which is another site.
func (j *jar) write(w http.ResponseWriter) {
	for _, id := range slices.Sorted(maps.Keys(j.changed)) {
		cookie := &http.Cookie{
			Name: j.cookies.prefix() + id, Value: j.changed[id], Path: "/", MaxAge: int(broker.TransactionLifetime / time.Second),
			Secure: j.cookies.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		}
		if cookie.Value == "" {
			cookie.MaxAge = -1
		}
		http.SetCookie(w, cookie)
	}
}
