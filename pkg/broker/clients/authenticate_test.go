package clients_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestAuthenticate(t *testing.T) {
	clock := fake.NewClock()
	store := memory.NewStore(clock.Now)
	add := func(id string, mode broker.Mode, state broker.RegistrationState, method, secret string) {
		r := &broker.Registration{ClientID: id, Generation: "g", Mode: mode, State: state, IssuedAt: clock.Now()}
		r.Metadata.TokenEndpointAuthMethod = method
		if secret != "" {
			r.SecretHash = credential.Presented(secret).Hash()
		}
		if err := store.CreateRegistration(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	const active = broker.RegistrationActive
	add("public", broker.ModeBrokered, active, dcr.AuthNone, "")
	add("basic", broker.ModeBrokered, active, dcr.AuthSecretBasic, "s3cret")
	add("pending", broker.ModeBrokered, broker.RegistrationPending, dcr.AuthNone, "")
	for _, state := range []broker.RegistrationState{broker.RegistrationDisabled, broker.RegistrationDeleted, broker.RegistrationDeleting, broker.RegistrationRemoved} {
		add(string(state), broker.ModeBrokered, state, dcr.AuthNone, "")
	}
	add("directdisabled", broker.ModeDirect, broker.RegistrationDisabled, dcr.AuthNone, "")
	add("directdeleted", broker.ModeDirect, broker.RegistrationDeleted, dcr.AuthNone, "")
	add("unhashed", broker.ModeBrokered, active, dcr.AuthSecretPost, "")
	add("directpublic", broker.ModeDirect, active, dcr.AuthNone, "")
	add("directbasic", broker.ModeDirect, active, dcr.AuthSecretBasic, "")

	tests := []struct {
		name string
		mode broker.Mode
		sent clients.Credentials
		want dcr.Code // "" is success
	}{
		{"public", broker.ModeBrokered, clients.Credentials{ID: "public"}, ""},
		{"public with a secret", broker.ModeBrokered, clients.Credentials{ID: "public", Secret: "x"}, broker.InvalidClient},
		{"right secret", broker.ModeBrokered, clients.Credentials{ID: "basic", Secret: "s3cret", Basic: true}, ""},
		{"right secret in the body, registered for the header", broker.ModeBrokered, clients.Credentials{ID: "basic", Secret: "s3cret"}, ""},
		{"wrong secret", broker.ModeBrokered, clients.Credentials{ID: "basic", Secret: "S3cret"}, broker.InvalidClient},
		{"the hash in place of the secret", broker.ModeBrokered, clients.Credentials{ID: "basic", Secret: credential.Presented("s3cret").Hash().String()}, broker.InvalidClient},
		{"no secret", broker.ModeBrokered, clients.Credentials{ID: "basic"}, broker.InvalidClient},
		{"no stored hash", broker.ModeBrokered, clients.Credentials{ID: "unhashed", Secret: "x"}, broker.InvalidClient},
		{"waits for approval", broker.ModeBrokered, clients.Credentials{ID: "pending"}, broker.UnauthorizedClient},
		{"disabled", broker.ModeBrokered, clients.Credentials{ID: "disabled"}, broker.UnauthorizedClient},
		{"deleted by an operator", broker.ModeBrokered, clients.Credentials{ID: "deleted"}, broker.UnauthorizedClient},
		{"being deleted", broker.ModeBrokered, clients.Credentials{ID: "deleting"}, broker.InvalidClient},
		{"ended", broker.ModeBrokered, clients.Credentials{ID: "removed"}, broker.InvalidClient},
		{"direct, disabled", broker.ModeDirect, clients.Credentials{ID: "directdisabled"}, broker.UnauthorizedClient},
		// Registering again gives it another id.
		{"direct, deleted by an operator", broker.ModeDirect, clients.Credentials{ID: "directdeleted"}, broker.InvalidClient},
		{"unknown", broker.ModeBrokered, clients.Credentials{ID: "unknown"}, broker.InvalidClient},
		{"not a client id", broker.ModeBrokered, clients.Credentials{ID: "a client"}, broker.InvalidClient},
		{"of the other mode", broker.ModeBrokered, clients.Credentials{ID: "directpublic"}, broker.InvalidClient},
		{"direct, public", broker.ModeDirect, clients.Credentials{ID: "directpublic"}, ""},
		// Only Cognito knows the secret.
		{"direct, any secret", broker.ModeDirect, clients.Credentials{ID: "directbasic", Secret: "x"}, ""},
		{"direct, no secret", broker.ModeDirect, clients.Credentials{ID: "directbasic"}, broker.InvalidClient},
		{"direct, of the other mode", broker.ModeDirect, clients.Credentials{ID: "public"}, broker.InvalidClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reg, err := clients.New(tt.mode, store, clock.Now).Authenticate(t.Context(), tt.sent)
			if tt.want == "" {
				if err != nil || reg.ClientID != tt.sent.ID {
					t.Errorf("got %+v, %v, want the registration of %s", reg, err, tt.sent.ID)
				}
				return
			}
			if e, ok := errors.AsType[*broker.Refusal](err); !ok || e.Code != tt.want || reg != nil {
				t.Errorf("got %+v, %v, want the refusal %s", reg, err, tt.want)
			}
			if err != nil && tt.sent.Secret != "" && strings.Contains(err.Error(), tt.sent.Secret) && len(tt.sent.Secret) > 1 {
				t.Errorf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestAuthenticateIsUnavailableIfTheStoreCannotBeRead(t *testing.T) {
	store := fake.NewStore(memory.NewStore(time.Now))
	store.FailNext("Registration", 1, fake.NotApplied)
	_, err := clients.New(broker.ModeBrokered, store, time.Now).Authenticate(t.Context(), clients.Credentials{ID: "a"})
	if e, ok := errors.AsType[*broker.Refusal](err); !ok || e.Code != dcr.Unavailable || e.RetryAfter != broker.RetrySoon {
		t.Errorf("got %v, want the refusal %s with a time to try again", err, dcr.Unavailable)
	}
}

// panicking is a store that panics.
type panicking struct{ broker.Registrations }

func (panicking) TouchRegistration(context.Context, string, string, time.Time) error {
	panic("a fault")
}

func TestRecordUseLogsTheStackOfAPanic(t *testing.T) {
	var logged strings.Builder
	d := clients.New(broker.ModeBrokered, panicking{}, time.Now)
	d.RecordUse(t.Context(), slog.New(slog.NewTextHandler(&logged, nil)), &broker.Registration{ClientID: "a"})()
	for _, want := range []string{"last use not recorded", "a fault", "authenticate_test.go"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("got the log %q, want %q in it", &logged, want)
		}
	}
}
