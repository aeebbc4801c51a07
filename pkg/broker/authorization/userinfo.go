package authorization

import (
	"context"
	"errors"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// userInfoTime is how long a sign-in waits for userInfo.
const userInfoTime = time.Second

// addEmail adds the user's verified email address to t, if the ID token has none:
// the user name of a pool may be a UUID, which tells neither the user nor an
// operator who it is. AWS documents that userInfo shows the address for openid,
// but not that the ID token does. The scopes of a sign-in are those of the
// client's access token, so the scope email cannot be added to them.
//
// Without an answer the user has no address, and is named by the user name. The
// sign-in continues: the address decides nothing.
func (f *Flow) addEmail(ctx context.Context, t *broker.Tokens) {
	if t.User.Sub == "" || t.User.Email != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, userInfoTime)
	defer cancel()
	info, err := f.config.Cognito.UserInfo(ctx, t.AccessToken)
	// OpenID Connect Core 1.0 §5.3.2: the claims of a response with another sub
	// must not be used.
	if err == nil && info.Sub != t.User.Sub {
		err = errors.New("userInfo is about another user")
	}
	if err != nil {
		f.warn(ctx, "user's email address not read", "sub", t.User.Sub, "error", err)
		return
	}
	t.User.Email = info.Email
}
