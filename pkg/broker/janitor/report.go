package janitor

import "log/slog"

// A Report counts the work that a sweep did, or would do.
type Report struct {
	// Completed app clients serve a registration, and their records are now
	// ready. Interrupted registrations that turned out to be complete also
	// count.
	Completed int `json:"completed"`
	// Restored app clients got the settings of their registration again, after
	// an update with an unknown result.
	Restored int `json:"restored"`
	// Removed counts app clients, with their registrations in direct mode, and
	// interrupted registrations.
	Removed int `json:"removed"`
	// Grown app clients got scopes that had been added to their profile or
	// registration.
	Grown int `json:"grown"`
	// Expired registrations have reached the end of a lifetime of their profile.
	Expired int `json:"expired"`
	// EndedGrants counts grants of registrations that have expired, or that an
	// operator has disabled or deleted.
	EndedGrants int `json:"ended_grants"`
	// EndedSignIns counts sign-ins at Cognito that led to no grant: the user did
	// not decide, or a step after the sign-in failed.
	EndedSignIns int `json:"ended_sign_ins"`
	// Orphans are app clients that carry our mark and had no record.
	Orphans int `json:"orphans"`
	// Gone app clients had a record and did not exist.
	Gone int `json:"gone"`
	// Failed items are tried again at the next sweep.
	Failed int `json:"failed"`
	// Backlog counts the records that are due and that the sweep did not reach,
	// as far as there was time to count them.
	Backlog int `json:"backlog"`
	// Unfinished reports whether the time was up before everything was done. The
	// next sweep continues there.
	Unfinished bool `json:"unfinished"`
}

// LogValue logs the counts.
func (p Report) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("completed", p.Completed), slog.Int("restored", p.Restored),
		slog.Int("removed", p.Removed), slog.Int("grown", p.Grown), slog.Int("expired", p.Expired),
		slog.Int("ended_grants", p.EndedGrants), slog.Int("ended_sign_ins", p.EndedSignIns), slog.Int("orphans", p.Orphans), slog.Int("gone", p.Gone),
		slog.Int("failed", p.Failed), slog.Int("backlog", p.Backlog), slog.Bool("unfinished", p.Unfinished))
}

// Add adds the counts of q.
func (p *Report) Add(q Report) {
	p.Completed += q.Completed
	p.Restored += q.Restored
	p.Removed += q.Removed
	p.Grown += q.Grown
	p.Expired += q.Expired
	p.EndedGrants += q.EndedGrants
	p.EndedSignIns += q.EndedSignIns
	p.Orphans += q.Orphans
	p.Gone += q.Gone
	p.Failed += q.Failed
	p.Backlog += q.Backlog
	p.Unfinished = p.Unfinished || q.Unfinished
}

// A Step is one action of a sweep.
type Step struct {
	Action Action `json:"action"`
	// Key is the key of an app client's record, or empty.
	Key string `json:"key,omitempty"`
	// ClientID is the id of a registration, or empty.
	ClientID string `json:"client_id,omitempty"`
	// CognitoID is the id of an app client, or empty.
	CognitoID string `json:"cognito_id,omitempty"`
}

// An Action is the kind of a Step.
type Action string

const (
	// ActionFinish finishes or undoes interrupted work on an app client.
	ActionFinish Action = "finish"
	// ActionLook checks whether an app client is still needed and has its scopes.
	ActionLook Action = "look"
	// ActionGrow gives an app client the scopes that it lacks.
	ActionGrow Action = "grow"
	// ActionEndGrants ends the grants of a registration that an operator has
	// disabled or deleted.
	ActionEndGrants Action = "end_grants"
	// ActionExpire removes a registration whose lifetime has ended.
	ActionExpire Action = "expire"
	// ActionOrphan deletes an app client that carries our mark and has no
	// record, or, in direct mode, creates the record if the registration
	// exists.
	ActionOrphan Action = "orphan"
	// ActionGone deletes the record of an app client that no longer exists.
	ActionGone Action = "gone"
)
