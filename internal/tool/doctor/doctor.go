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

	"github.com/dcr-broker/dcr-broker/internal/adapter"
)

// Status is the outcome of a check.
type Status string

const (
	Pass Status = "pass"
	// Warning means that the server departs from a specification, or breaks some
	// clients in some situations, but other clients work.
	Warning Status = "warning"
	// Fail means that clients cannot connect, or that their users are at risk.
	Fail Status = "fail"
	// Skip means that the check was not made; its detail gives the reason.
	Skip Status = "skip"
)

// Check is the result of one check. All fields are plain text without control
// characters and without secrets.
type Check struct {
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Section is the section of the specification that requires it.
	Section string `json:"section"`
	Detail  string `json:"detail"`
	// Clients are the well-known clients that break, or are reported to break.
	Clients []string `json:"clients,omitzero"`
}

// Registering selects the registrations that the doctor makes.
type Registering string

const (
	// RegisterAuto means RegisterAll if no registration is left behind: the server
	// is on this machine, or lets the doctor delete its registrations. Otherwise,
	// and with an initial access token, which may allow only one registration, it
	// means RegisterOne.
	RegisterAuto Registering = "auto"
	// RegisterAll registers once as the doctor and once as each well-known client.
	RegisterAll Registering = "all"
	// RegisterOne registers once, as the doctor.
	RegisterOne Registering = "one"
	// RegisterNone registers nothing. Checks that need a client are skipped.
	RegisterNone Registering = "none"
)

// Options select the server and the checks.
type Options struct {
	// URL is the address of an MCP server or an issuer.
	URL string
	// InitialAccessToken is sent with registrations. Optional.
	InitialAccessToken string
	// InitialAccessTokens has the tokens to use if InitialAccessToken is empty,
	// by issuer. Optional.
	InitialAccessTokens map[string]string
	// Register is optional; the default is RegisterAuto.
	Register Registering
	// Open shows the user the address at which to sign in. It gets http and https
	// addresses only. Nil means no sign-in.
	Open func(ctx context.Context, address string) error
	// Patience is the time to wait for the sign-in. Optional; default: 5 minutes.
	Patience time.Duration
	// RedirectPort is the port of the redirect URI at 127.0.0.1. Optional;
	// default: any free port.
	RedirectPort int
	// Each is called with each check, in the order of Checks, as soon as its
	// result and all earlier results are known. Optional.
	Each func(Check)
	// Transport makes the requests. Optional; default: a transport that uses the
	// proxy of the environment.
	Transport http.RoundTripper
	// Now is the clock. Optional.
	Now func() time.Time
}

// UsageError means that the options are invalid and nothing was checked.
type UsageError struct{ Reason string }

func (e *UsageError) Error() string { return e.Reason }

// Failed reports whether a check failed.
func Failed(checks []Check) bool {
	return slices.ContainsFunc(checks, func(c Check) bool { return c.Status == Fail })
}

// Run makes all checks and returns them in the order of Checks, each once. The
// error is a *UsageError, without checks, or the error of ctx if it ended
// during the run: the remaining checks are then skipped, and the doctor still
// deletes the clients that it registered.
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
		run   func(context.Context)
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
			s.run(ctx)
		}
		if ctx.Err() != nil {
			d.skipRest(s.stage, "interrupted")
		}
		d.finish(s.stage)
	}
	// The clean-up runs after an interruption as well.
	d.interrupted = func() bool { return false }
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	d.cleanUp(end)
	d.finish(stageCleanUp)
	return d.done, ctx.Err()
}

// doctor is one run.
type doctor struct {
	Options
	url  *url.URL // of Options.URL
	http *http.Client
	// callTimeout limits all calls of the MCP server together. The SDK makes
	// them, and the server may answer with streams.
	callTimeout time.Duration

	// Results of the stages.
	first      *answer           // to the request without a token; nil if none came
	isIssuer   bool              // Options.URL is an issuer and not an MCP server
	header     map[string]string // parameters of the Bearer challenge
	resource   object            // RFC 9728; nil if not found
	scopes     []string          // that a client would request
	issuer     string            // that a client would use
	server     object            // RFC 8414; nil if not found
	client     *client           // the doctor's own registration; nil if there is none
	registered []*client         // all registrations, to be deleted
	tokens     *tokens           // of the sign-in; nil without a sign-in
	back       *listener         // receives the redirect of the sign-in; nil without a sign-in
	slowest    slowest

	interrupted func() bool

	results  map[*definition]Check
	reasons  map[stage]string // why the rest of a stage is skipped
	done     []Check
	withheld []string // secrets that must not appear in a report
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
		return nil, &UsageError{fmt.Sprintf("unknown way to register: %q", o.Register)}
	}
	if o.Open != nil && o.Register == RegisterNone {
		return nil, &UsageError{"a sign-in needs a client, but registration is switched off"}
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
	// get follows and checks redirects one by one.
	d.http = adapter.WithoutRedirects(&http.Client{Transport: d.Transport})
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
	// A shorter text is not a secret, and would redact half of the report.
	if len(secret) < 6 {
		return
	}
	for _, s := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
		if !slices.Contains(d.withheld, s) {
			d.withheld = append(d.withheld, s)
		}
	}
	// The longest first: one may be a prefix of another.
	slices.SortFunc(d.withheld, func(a, b string) int { return len(b) - len(a) })
}

// finding collects the faults of a check until it is reported.
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

// fail adds a fault that makes the check fail, and the clients that it breaks.
func (f *finding) fail(breaks []string, format string, args ...any) {
	f.status = Fail
	f.add(breaks, format, args...)
}

// warn adds a fault that is only a warning.
func (f *finding) warn(breaks []string, format string, args ...any) {
	if f.status != Fail {
		f.status = Warning
	}
	f.add(breaks, format, args...)
}

func (f *finding) add(breaks []string, format string, args ...any) {
	f.faults = append(f.faults, fmt.Sprintf(format, args...))
	for _, c := range breaks {
		if !slices.Contains(f.clients, c) {
			f.clients = append(f.clients, c)
		}
	}
}

// end reports the check: its faults, or the formatted text if there are none.
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

// skipRest sets the reason with which finish skips the stage's checks that have
// no result.
func (d *doctor) skipRest(s stage, format string, args ...any) {
	d.reasons[s] = fmt.Sprintf(format, args...)
}

// finish skips the checks of the stage that have no result.
func (d *doctor) finish(s stage) {
	for _, def := range catalogue {
		if _, ok := d.results[def]; ok || def.stage != s {
			continue
		}
		reason := d.reasons[s]
		if reason == "" {
			reason = "an earlier step failed"
		}
		d.skip(def, "%s", reason)
	}
}

// emit passes known results to Each, in order.
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

// slowest is the request that took longest.
type slowest struct {
	took time.Duration
	what string
}

// reasonOf returns the error for a report: without the address, which the
// report has beside it.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %s", timeout)
	}
	return err.Error()
}
