package emulator

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strconv"
	"time"
)

const maxSecrets = 2

// generateSecret returns a secret of 51 or 52 characters.
func generateSecret() string { return randomID(51 + randomInt(2)) }

// clientSecret is an active secret of an app client.
type clientSecret struct {
	id      string
	value   string
	created time.Time
}

// addSecret adds a secret to a. Its id is the client id and the time, one
// second later if that id exists.
func (a *appClient) addSecret(value string, now time.Time) clientSecret {
	s := clientSecret{value: value, created: now}
	for at := now.Unix(); s.id == "" || slices.ContainsFunc(a.secrets, func(o clientSecret) bool { return o.id == s.id }); at++ {
		s.id = a.id + "--" + strconv.FormatInt(at, 10)
	}
	a.secrets = append(a.secrets, s)
	return s
}

// accepts reports in constant time whether secret is one of the active secrets.
func (a *appClient) accepts(secret string) bool {
	sent := sha256.Sum256([]byte(secret))
	found := 0
	for _, s := range a.secrets {
		have := sha256.Sum256([]byte(s.value))
		found |= subtle.ConstantTimeCompare(sent[:], have[:])
	}
	return found == 1
}

type secretDescriptor struct {
	ClientSecretId         string
	ClientSecretValue      string `json:",omitempty"`
	ClientSecretCreateDate epoch
}

type addSecretInput struct {
	clientRef
	ClientSecret *string
}

type addSecretOutput struct{ ClientSecretDescriptor secretDescriptor }

func (c *Cognito) addSecret(in addSecretInput) (out addSecretOutput, err *apiError) {
	if in.ClientSecret != nil {
		var cs constraints
		cs.text(*in.ClientSecret, "clientSecret", 24, 64, wordPattern)
		if err := cs.err(); err != nil {
			return out, err
		}
	}
	err = c.find(in.clientRef, func(a *appClient) *apiError {
		if len(a.secrets) == 0 {
			return invalidParameter("User pool client %s has no client secret.", a.id)
		}
		if len(a.secrets) >= maxSecrets {
			return apiErrorf("LimitExceededException", "User pool client %s has %d client secrets.", a.id, maxSecrets)
		}
		value := generateSecret()
		if in.ClientSecret != nil {
			value = *in.ClientSecret
		}
		s := a.addSecret(value, c.now())
		out.ClientSecretDescriptor = secretDescriptor{ClientSecretId: s.id, ClientSecretCreateDate: epoch(s.created)}
		if in.ClientSecret == nil {
			out.ClientSecretDescriptor.ClientSecretValue = value
		}
		return nil
	})
	return out, err
}

type listSecretsOutput struct{ ClientSecrets []secretDescriptor }

func (c *Cognito) listSecrets(in clientRef) (listSecretsOutput, *apiError) {
	out := listSecretsOutput{ClientSecrets: []secretDescriptor{}}
	return out, c.find(in, func(a *appClient) *apiError {
		for _, s := range a.secrets {
			out.ClientSecrets = append(out.ClientSecrets, secretDescriptor{ClientSecretId: s.id, ClientSecretCreateDate: epoch(s.created)})
		}
		return nil
	})
}

type deleteSecretInput struct {
	clientRef
	ClientSecretId *string
}

func (c *Cognito) deleteSecret(in deleteSecretInput) (empty, *apiError) {
	var cs constraints
	id := cs.required(in.ClientSecretId, "clientSecretId", 1, 256, nil)
	if err := cs.err(); err != nil {
		return empty{}, err
	}
	return empty{}, c.find(in.clientRef, func(a *appClient) *apiError {
		i := slices.IndexFunc(a.secrets, func(s clientSecret) bool { return s.id == id })
		if i < 0 {
			return notFound("Client secret %s does not exist.", id)
		}
		if len(a.secrets) == 1 {
			return invalidParameter("The last client secret of a user pool client can not be deleted.")
		}
		a.secrets = slices.Delete(a.secrets, i, i+1)
		return nil
	})
}
