package operator_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// put sends an update that changes members of AppBody, and returns the next token.
func put(w *world.Brokered, id string, rat credential.Token, more ...any) credential.Token {
	w.T.Helper()
	info, err := w.Update(w.T.Context(), id, rat, world.Update(w.T, world.AppBody, id, more...))
	if err != nil {
		w.T.Fatalf("Update with %v: %v", more, err)
	}
	return credential.Presented(info.RegistrationAccessToken)
}

// What an operator approves or enables is what was shown. If the client changes in
// between, nothing becomes active.
func TestWhatWasShownIsApproved(t *testing.T) {
	w := world.NewLife(t)
	id, rat := w.Vouched("asked", world.AppBody)
	shown := w.Registration(id)
	put(w, id, rat, "redirect_uris", []string{"https://evil.example.com/cb"})
	if _, err := w.Operator.Approve(t.Context(), shown, "ops"); !errors.Is(err, broker.ErrConflict) {
		t.Errorf("Approve of metadata that were replaced = %v, want ErrConflict", err)
	}
	w.WantState(id, broker.RegistrationPending)
	if _, err := w.Operator.Approve(t.Context(), w.Registration(id), "ops"); err != nil {
		t.Errorf("Approve of the present ones = %v", err)
	}
	w.WantState(id, broker.RegistrationActive)

	t.Run("also if the change comes at the last moment", func(t *testing.T) {
		w := world.NewLife(t)
		id, rat := w.Vouched("asked", world.AppBody)
		shown := w.Registration(id)
		w.Store.Before("ReplaceRegistration", func() error {
			put(w, id, rat, "client_name", "Bank")
			return nil
		})
		if _, err := w.Operator.Approve(t.Context(), shown, "ops"); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("Approve = %v, want ErrConflict", err)
		}
		w.WantState(id, broker.RegistrationPending)
	})
	t.Run("by enable too", func(t *testing.T) {
		w := world.NewLife(t)
		id, rat := w.Vouched("asked", world.AppBody)
		if _, err := w.Disable(t.Context(), id, "ops"); err != nil {
			t.Fatal(err)
		}
		shown := w.Registration(id)
		if _, err := w.Enable(t.Context(), id, "another"); err != nil {
			t.Fatal(err)
		}
		put(w, id, rat, "client_name", "Bank")
		w.WantState(id, broker.RegistrationPending)
		if _, err := w.Operator.Enable(t.Context(), shown, "ops"); !errors.Is(err, broker.ErrConflict) {
			t.Errorf("Enable = %v, want ErrConflict", err)
		}
		w.WantState(id, broker.RegistrationPending)
	})
}

// An approval whose outcome is unknown is not mistaken for that of another
// operator, who approved other metadata.
func TestAnApprovalIsNotMistakenForAnother(t *testing.T) {
	manual := strings.Replace(world.LifePolicy, `"unconfirmed":"4d"}`, `"unconfirmed":"4d"},"approval":"manual"`, 1)
	w := world.NewLife(t)
	w.UseBrokeredPolicy(strings.Replace(manual, `"presets":["claude"]}`, `"presets":["claude"]},"scopes":{"allowed":["mcp/read"]}`, 1))
	info, _ := w.MustRegister(world.PublicBody, world.None)
	shown := w.Registration(info.ClientID)
	w.UseBrokeredPolicy(manual)
	w.Store.Before("ReplaceRegistration", func() error {
		w.Restart()
		w.MustRegister(world.PublicBody, world.None) // gets the scopes that the profile has gained
		_, err := w.Approve(t.Context(), info.ClientID, "another")
		return errors.Join(err, fake.ErrInjected)
	})
	if _, err := w.Operator.Approve(t.Context(), shown, "ops"); !errors.Is(err, fake.ErrInjected) {
		t.Errorf("Approve = %v, want the error of the write", err)
	}
	for _, p := range world.Points {
		w := world.NewLife(t)
		id, _ := w.Vouched("asked", world.AppBody)
		w.Store.FailNext("ReplaceRegistration", 1, p)
		if _, err := w.Approve(t.Context(), id, "ops"); (p == fake.ReplyLost) != (err == nil) {
			t.Errorf("%s: Approve = %v", p, err)
		}
		if got := w.Registration(id).State; (got == broker.RegistrationActive) != (p == fake.ReplyLost) {
			t.Errorf("%s: the client is %s", p, got)
		}
		if _, err := w.Approve(t.Context(), id, "ops"); err != nil {
			t.Errorf("%s: Approve again = %v", p, err)
		}
		w.WantState(id, broker.RegistrationActive)
	}
}

// A client is active only with the metadata that an operator has approved,
// however they change.
func TestOtherMetadataArePendingAgain(t *testing.T) {
	approved := func(t *testing.T) (*world.Brokered, string, credential.Token) {
		w := world.NewLife(t)
		id, rat := w.Vouched("asked", world.AppBody)
		if _, err := w.Approve(t.Context(), id, "ops"); err != nil {
			t.Fatal(err)
		}
		return w, id, rat
	}
	free := strings.Replace(world.LifePolicy, `"approval":"manual",`, "", 1)
	t.Run("until they are the approved ones again", func(t *testing.T) {
		w, id, rat := approved(t)
		rat = put(w, id, rat)
		w.WantState(id, broker.RegistrationActive)
		rat = put(w, id, rat, "software_version", "2")
		w.WantState(id, broker.RegistrationActive)
		rat = put(w, id, rat, "client_name", "Bank")
		w.WantState(id, broker.RegistrationPending)
		rat = put(w, id, rat, "client_name", "Bank", "redirect_uris", []string{"https://evil.example.com/cb"})
		w.WantState(id, broker.RegistrationPending)
		put(w, id, rat)
		w.WantState(id, broker.RegistrationActive)
	})
	t.Run("after it was disabled and enabled", func(t *testing.T) {
		w, id, rat := approved(t)
		rat = put(w, id, rat, "client_name", "Bank")
		if _, err := w.Disable(t.Context(), id, "ops"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Enable(t.Context(), id, "ops"); err != nil { // which has shown "Bank"
			t.Fatal(err)
		}
		rat = put(w, id, rat, "client_name", "Bank")
		w.WantState(id, broker.RegistrationActive)
		put(w, id, rat)
		w.WantState(id, broker.RegistrationPending)
	})
	t.Run("if the profile needs approval since it registered", func(t *testing.T) {
		w := world.NewLife(t)
		w.UseBrokeredPolicy(free)
		id, rat := w.Vouched("asked", world.AppBody)
		w.UseBrokeredPolicy(world.LifePolicy)
		rat = put(w, id, rat)
		w.WantState(id, broker.RegistrationActive)
		put(w, id, rat, "client_name", "Bank")
		w.WantState(id, broker.RegistrationPending)
	})
	t.Run("if the profile needed none for a while", func(t *testing.T) {
		w, id, rat := approved(t)
		w.UseBrokeredPolicy(free)
		rat = put(w, id, rat, "client_name", "Bank")
		w.WantState(id, broker.RegistrationActive)
		w.UseBrokeredPolicy(world.LifePolicy)
		rat = put(w, id, rat, "client_name", "Bank")
		w.WantState(id, broker.RegistrationActive) // it changes nothing
		put(w, id, rat)
		w.WantState(id, broker.RegistrationPending)
	})
}

// All who register the same openly share one registration, whose scopes are those
// of the profile.
func TestApprovalOfScopesThatAProfileGains(t *testing.T) {
	manual := strings.Replace(world.LifePolicy, `"unconfirmed":"4d"}`, `"unconfirmed":"4d"},"approval":"manual"`, 1)
	narrow := strings.Replace(manual, `"presets":["claude"]}`, `"presets":["claude"]},"scopes":{"allowed":["mcp/read"]}`, 1)
	w := world.NewLife(t)
	var id string
	again := func(policy string, want broker.RegistrationState, scope string) {
		t.Helper()
		w.UseBrokeredPolicy(policy)
		w.Restart()
		info, _ := w.MustRegister(world.PublicBody, world.None)
		id = info.ClientID
		if r := w.WantState(id, want); r.Metadata.Scope != scope {
			t.Errorf("stored scope %q, want %q", r.Metadata.Scope, scope)
		}
	}
	const all = "openid mcp/read mcp/write"
	again(narrow, broker.RegistrationPending, "mcp/read")
	if _, err := w.Approve(t.Context(), id, "ops"); err != nil {
		t.Fatal(err)
	}
	again(narrow, broker.RegistrationActive, "mcp/read")
	again(manual, broker.RegistrationPending, all)
	again(narrow, broker.RegistrationActive, "mcp/read")
	again(manual, broker.RegistrationPending, all)
	if _, err := w.Approve(t.Context(), id, "ops"); err != nil {
		t.Fatal(err)
	}
	again(narrow, broker.RegistrationActive, all) // the profile still limits what it can do
	again(manual, broker.RegistrationActive, all)
}
