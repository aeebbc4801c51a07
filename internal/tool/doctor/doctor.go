package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Status is how a check went.
type Status string

const (
	Pass Status = "pass"
	// Warning is what departs from a specification, or breaks some clients in some
	// situations, and lets the others in.
	Warning Status = "warning"
	// Fail is what keeps clients out, or puts those who use them at risk.
	Fail Status = "fail"
	// Skip is a check that was not made; its detail says why.
	Skip Status = "skip"
)

// Check is the result of one check. All are plain text without control
// characters and without secrets.
type Check struct {
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Section is what the check rests on.
	Section string `json:"section"`
	Detail  string `json:"detail"`
	// Clients are the well-known clients that break, or are reported to.
	Clients []string `json:"clients,omitzero"`
}

// Registering says with which bodies the doctor registers.
type Registering string

const (
	// RegisterAuto is RegisterAll where nothing is left behind by it: at a server
	// on this machine, or one that lets the doctor delete what it registered. It
	// is RegisterOne elsewhere, and with an initial access token, which may be
	// good for one registration only.
	RegisterAuto Registering = "auto"
	// RegisterAll is once as the doctor and once as each well-known client.
	RegisterAll Registering = "all"
	// RegisterOne is once, as the doctor.
	RegisterOne Registering = "one"
	// RegisterNone leaves no trace. What needs a client is skipped.
	RegisterNone Registering = "none"
)

// Options say what to look at and how far to go.
type Options struct {
	// URL is that of an MCP server or of an issuer.
	URL string
	// InitialAccessToken is sent with registrations. Optional.
	InitialAccessToken string
	// InitialAccessTokens are those to use if InitialAccessToken is empty, by
	// issuer. Optional.
	InitialAccessTokens map[string]string
	// Register is RegisterAuto if it is empty.
	Register Registering
	// Open shows an address to somebody who signs in there. Nil is no sign-in.
	// It is given http and https addresses only.
	Open func(ctx context.Context, address string) error
	// Patience is how long to wait for the sign-in. Default: 5 minutes.
	Patience time.Duration
	// RedirectPort is the port of the redirect URI at 127.0.0.1. Default: one
	// that is free.
	RedirectPort int
	// Each is told of each check, in the order of Checks, as soon as it and
	// those before it are known. Optional.
	Each func(Check)
	// Transport makes the requests. Optional; default: one with the proxy of the
	// environment.
	Transport http.RoundTripper
	// Now is the clock. Optional.
	Now func() time.Time
}

// UsageError says that there is nothing to look at.
type UsageError struct{ Reason string }

func (e *UsageError) Error() string { return e.Reason }

// Failed reports whether a check failed.
func Failed(checks []Check) bool {
	return slices.ContainsFunc(checks, func(c Check) bool { return c.Status == Fail })
}

// Run makes all checks and returns them in the order of Checks, each once. The
// error is a *UsageError, with no checks, or that of ctx if it ended meanwhile;
// the checks that were not made then are skipped ones, and what was registered
// is deleted all the same.
func Run(ctx context.Context, o Options) ([]Check, error) {
	d, err := newDoctor(o)
	if err != nil {
		return nil, err
	}
	return d.run(ctx)
}

func (d *doctor) run(ctx context.Context) ([]Check, error) {
	defer d.close()
	d.interrupted = func() bool { return ctx.Err() != nil }
	for _, s := range []struct {
		stage stage
		look  func(context.Context)
	}{
		{stageTarget, d.target},
		{stageChallenge, d.challenge},
		{stageResource, d.protectedResource},
		{stageServer, d.authorizationServer},
		{stageRegister, d.registration},
		{stageAuthorize, d.authorization},
		{stageToken, d.tokenEndpoint},
		{stageSignIn, d.signIn},
		{stageClients, d.wellKnownClients},
	} {
		if ctx.Err() == nil {
			s.look(ctx)
		}
		if ctx.Err() != nil {
			d.because(s.stage, "interrupted")
		}
		d.finish(s.stage)
	}
	// What was made is removed, interrupted or not.
	d.interrupted = func() bool { return false }
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	d.cleanUp(end)
	d.finish(stageCleanUp)
	return d.done, ctx.Err()
}

// doctor is one examination.
type doctor struct {
	Options
	url  *url.URL // of Options.URL
	http *http.Client
	// callTimeout is for the calls of the MCP server together, which are made by
	// the SDK and may be answered by streams.
	callTimeout time.Duration

	// What the stages have found.
	first      *answer           // to the request without a token; nil if there was none
	isIssuer   bool              // Options.URL is an issuer and not an MCP server
	header     map[string]string // parameters of the Bearer challenge
	resource   object            // RFC 9728; nil if there is none
	scopes     []string          // that a client would ask for
	issuer     string            // that a client would look for
	server     object            // RFC 8414; nil if there is none
	client     *client           // that the doctor registered; nil if it has none
	registered []*client         // all that it registered, to be deleted
	tokens     *tokens           // of the sign-in; nil if there was none
	back       *listener         // where the sign-in leads back to; nil without one
	slowest    slowest

	interrupted func() bool

	results  map[*definition]Check
	reasons  map[stage]string
	done     []Check
	withheld []string // secrets that no report may have
}

func newDoctor(o Options) (*doctor, error) {
	u, err := webURL(o.URL)
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	if u.Fragment != "" {
		return nil, &UsageError{fmt.Sprintf("%q has a fragment", o.URL)}
	}
	switch o.Register {
	case "":
		o.Register = RegisterAuto
	case RegisterAuto, RegisterAll, RegisterOne, RegisterNone:
	default:
		return nil, &UsageError{fmt.Sprintf("cannot register %q", o.Register)}
	}
	if o.Open != nil && o.Register == RegisterNone {
		return nil, &UsageError{"a sign-in needs a client, and none is to be registered"}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Minute
	}
	if o.Each == nil {
		o.Each = func(Check) {}
	}
	d := &doctor{Options: o, url: u, callTimeout: 2 * timeout, results: make(map[*definition]Check), reasons: make(map[stage]string)}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxResponseHeaderBytes = 64 << 10
		d.Transport = t
	}
	// Redirects are looked at one by one.
	d.http = &http.Client{Transport: d.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	d.withhold(o.InitialAccessToken)
	for _, token := range o.InitialAccessTokens {
		d.withhold(token)
	}
	if o.Open != nil {
		if d.back, err = listen(o.RedirectPort); err != nil {
			return nil, &UsageError{"listen for the redirect: " + err.Error()}
		}
	}
	return d, nil
}

func (d *doctor) close() {
	if d.back != nil {
		d.back.close()
	}
	if t, ok := d.Transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// withhold keeps a secret out of all reports from here on.
func (d *doctor) withhold(secret string) {
	// What is shorter is no secret, and would black out half of the report.
	if len(secret) < 6 {
		return
	}
	for _, s := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
		if !slices.Contains(d.withheld, s) {
			d.withheld = append(d.withheld, s)
		}
	}
	// The longest first: one may be the beginning of another.
	slices.SortFunc(d.withheld, func(a, b string) int { return len(b) - len(a) })
}

// finding is a check under way.
type finding struct {
	d       *doctor
	def     *definition
	status  Status
	faults  []string
	clients []string
}

func (d *doctor) check(def *definition) *finding {
	return &finding{d: d, def: def, status: Pass}
}

// fail notes a fault.
func (f *finding) fail(breaks []string, format string, args ...any) {
	f.status = Fail
	f.note(breaks, format, args...)
}

// warn notes a lesser fault.
func (f *finding) warn(breaks []string, format string, args ...any) {
	if f.status != Fail {
		f.status = Warning
	}
	f.note(breaks, format, args...)
}

func (f *finding) note(breaks []string, format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
	for _, c := range breaks {
		if !slices.Contains(f.clients, c) {
			f.clients = append(f.clients, c)
		}
	}
}

// end reports the check: its faults, or what is said if there are none.
func (f *finding) end(format string, args ...any) {
	detail := strings.Join(f.faults, "; ")
	if f.status != Pass && f.d.interrupted() {
		f.d.skip(f.def, "interrupted")
		return
	}
	if len(f.faults) == 0 {
		detail = fmt.Sprintf(format, args...)
	}
	f.d.report(f.def, f.status, detail, f.clients)
}

// skip reports that the check was not made.
func (d *doctor) skip(def *definition, format string, args ...any) {
	d.report(def, Skip, fmt.Sprintf(format, args...), nil)
}

func (d *doctor) report(def *definition, s Status, detail string, breaks []string) {
	c := Check{ID: def.ID, Status: s, Section: def.Section, Detail: d.clean(detail)}
	for _, name := range breaks {
		c.Clients = append(c.Clients, d.clean(name))
	}
	d.results[def] = c
	d.emit()
}

// because says why the checks of the stage that are not reported were not made.
func (d *doctor) because(s stage, format string, args ...any) {
	d.reasons[s] = fmt.Sprintf(format, args...)
}

// finish skips what the stage has not reported.
func (d *doctor) finish(s stage) {
	for _, def := range catalogue {
		if _, ok := d.results[def]; ok || def.stage != s {
			continue
		}
		reason := d.reasons[s]
		if reason == "" {
			reason = "the steps before did not get this far"
		}
		d.skip(def, "%s", reason)
	}
}

// emit hands out what is known, in order.
func (d *doctor) emit() {
	for len(d.done) < len(catalogue) {
		c, ok := d.results[catalogue[len(d.done)]]
		if !ok {
			return
		}
		d.done = append(d.done, c)
		d.Each(c)
	}
}

// slowest is the answer that took longest.
type slowest struct {
	took time.Duration
	what string
}

// reasonOf is an error as a report tells it: without the address, which is told
// beside it.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", timeout)
	}
	return err.Error()
}
