package janitor

import "log/slog"

// A Report counts what a sweep did, or would do.
type Report struct {
	// Completed app clients serve a registration, and their records say so now.
	// Registrations that were interrupted and are complete count as well.
	Completed int `json:"completed"`
	// Restored app clients have been given the settings of their registration
	// again after an update with an unknown result.
	Restored int `json:"restored"`
	// Removed app clients, with their registrations in direct mode, and
	// registrations that were interrupted.
	Removed int `json:"removed"`
	// Grown app clients have been given scopes that their profile or
	// registration has more than before.
	Grown int `json:"grown"`
	// Expired registrations have come to the end of a lifetime of their profile.
	Expired int `json:"expired"`
	// EndedGrants are of registrations that have expired, or that an operator
	// has disabled or deleted.
	EndedGrants int `json:"ended_grants"`
	// Orphans are app clients that carry our mark and had no record.
	Orphans int `json:"orphans"`
	// Gone app clients had a record and did not exist.
	Gone int `json:"gone"`
	// Failed items are tried again at the next sweep.
	Failed int `json:"failed"`
	// Backlog are records that are due and that the sweep did not get to, as far
	// as there was time to count them.
	Backlog int `json:"backlog"`
	// Unfinished is whether the time was up before all was done. The next sweep
	// goes on from there.
	Unfinished bool `json:"unfinished"`
}

// LogValue logs the counts.
func (p Report) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("completed", p.Completed), slog.Int("restored", p.Restored),
		slog.Int("removed", p.Removed), slog.Int("grown", p.Grown), slog.Int("expired", p.Expired),
		slog.Int("ended_grants", p.EndedGrants), slog.Int("orphans", p.Orphans), slog.Int("gone", p.Gone),
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
	p.Orphans += q.Orphans
	p.Gone += q.Gone
	p.Failed += q.Failed
	p.Backlog += q.Backlog
	p.Unfinished = p.Unfinished || q.Unfinished
}

// A Step is one thing that a sweep does.
type Step struct {
	Action Action `json:"action"`
	// Key is that of the record of an app client, or empty.
	Key string `json:"key,omitempty"`
	// ClientID is that of a registration, or empty.
	ClientID string `json:"client_id,omitempty"`
	// CognitoID is that of an app client, or empty.
	CognitoID string `json:"cognito_id,omitempty"`
}

// An Action is what a sweep does in a Step.
type Action string

const (
	// ActionFinish finishes or undoes what was interrupted with an app client.
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
	// record, or, in direct mode, makes the record if there is a registration.
	ActionOrphan Action = "orphan"
	// ActionGone deletes the record of an app client that does not exist any
	// more.
	ActionGone Action = "gone"
)
