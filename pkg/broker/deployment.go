package broker

// Mode says which authorization server clients see.
type Mode string

const (
	// ModeDirect is Cognito itself: a client uses Cognito's own authorize endpoint
	// under the id of a Cognito app client of its own.
	ModeDirect Mode = "direct"
	// ModeBrokered is the broker: a client uses the broker's authorize endpoint,
	// under an id of the broker's.
	ModeBrokered Mode = "brokered"
)

// ByMode has what each of the two modes does. What to do with a record is decided
// by the record's own mode, since records outlive a change of the deployment's.
type ByMode[T any] struct{ Direct, Brokered T }

// Of returns what mode m does.
func (b ByMode[T]) Of(m Mode) T {
	if m == ModeBrokered {
		return b.Brokered
	}
	return b.Direct
}

// Deployment is what is fixed about one deployment of the broker.
type Deployment struct {
	// ID tells the app clients of this deployment from all others in the pool.
	ID string
	// Mode is that of the registrations that are made. In a policy.Parse the zero
	// value is ModeDirect.
	Mode Mode
	// Issuer is the broker's origin (RFC 8414 §2), under which registrations are
	// managed.
	Issuer string
	// Scopes are all scopes that app clients of the user pool may have, custom
	// ones as resourceServer/name.
	Scopes []string
	// Resources are the protected resources that the deployment knows.
	Resources []Resource
}

// Resource is a protected resource (RFC 9728): an MCP server.
type Resource struct {
	// URL is its resource identifier (RFC 8707), as clients type it.
	URL string `json:"resource"`
	// Scopes are those that belong to it. A grant for it has no others.
	Scopes []string `json:"scopes"`
	// Name is shown to people; it may be empty.
	Name string `json:"name"`
}
