package broker

// Paths under the issuer that app clients of brokered mode have at Cognito. The
// functions that create app clients and the function that serves the paths must
// have the same ones.
const (
	// CallbackPath is the one redirect URI: the browser arrives there after the
	// sign-in.
	CallbackPath = "/callback"
	// SignedOutPath is the sign-out URL: the browser arrives there after it
	// signed out.
	SignedOutPath = "/signed-out"
)
