package broker

// Mode is the choice of the authorization server that clients use.
type Mode string

const (
	// ModeDirect is Cognito itself: a client uses Cognito's authorize endpoint,
	// with the id of a Cognito app client of its own.
	ModeDirect Mode = "direct"
	// ModeBrokered is the broker: a client uses the broker's authorize
	// endpoint, with an id that the broker gave it.
	ModeBrokered Mode = "brokered"
)

// ByMode has a value for each mode. A use case picks by the mode of a record,
// since records outlive a change of the deployment's mode.
type ByMode[T any] struct{ Direct, Brokered T }

// Of returns the value for mode m.
func (b ByMode[T]) Of(m Mode) T {
	if m == ModeBrokered {
		return b.Brokered
	}
	return b.Direct
}

// Deployment is the part of a deployment's settings that use cases know.
type Deployment struct {
	// ID distinguishes the app clients of this deployment from all others in
	// the user pool.
	ID string
	// Mode is the mode of new registrations. policy.Check takes the zero
	// value for ModeDirect.
	Mode Mode
	// Issuer is the broker's issuer identifier (RFC 8414 §2), which is its
	// origin. The URLs at which clients manage their registrations begin with
	// it.
	Issuer string
	// LoginVersion is the version of the user pool's sign-in pages: 1, the classic
	// ones, or 2, managed login. 0 means that it is not known.
	LoginVersion int
}

// Resource is a protected resource (RFC 9728): an MCP server.
type Resource struct {
	// URL is its resource identifier (RFC 8707 §2), as clients send it.
	URL string
	// Scopes are the scopes of this resource. A grant for the resource has no
	// others.
	Scopes []string
	// Name is shown to users; it may be empty.
	Name string
}
