package memory

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// A client that calls /authorize again and again fills at most twice the memory
// of the records that have not expired.
func TestStore_deletes_expired_records(t *testing.T) {
	now := time.Date(2030, time.March, 1, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	inner := NewTable(clock).(*table)
	s := newStore(inner, clock)
	stays := &broker.Grant{ID: credential.NewID(), ExpiresAt: now.AddDate(1, 0, 0)}
	if err := s.CreateGrant(t.Context(), stays); err != nil {
		t.Fatal(err)
	}
	most := 0
	for range 20_000 {
		now = now.Add(time.Second) // 600 are live at a time
		expires := now.Add(broker.TransactionLifetime)
		for _, err := range []error{
			s.CreateTransaction(t.Context(), &broker.Transaction{Key: credential.Presented(credential.NewID()).Hash(), ExpiresAt: expires}),
			s.CreateGrant(t.Context(), &broker.Grant{ID: credential.NewID(), ExpiresAt: expires}),
			s.PutConsent(t.Context(), &broker.Consent{Key: credential.NewID(), ExpiresAt: expires}),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		most = max(most, len(inner.items))
	}
	if limit := 2*3*600 + firstClean; most > limit {
		t.Errorf("%d records at most, want at most %d", most, limit)
	}
	if _, err := s.Grant(t.Context(), stays.ID); err != nil {
		t.Errorf("the grant that has not expired: got error %v, want none", err)
	}
}
