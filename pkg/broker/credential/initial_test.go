package credential_test

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// noon is between two seconds and in another time zone, so that wrong rounding
// shows.
var noon = time.Date(2030, time.March, 1, 12, 0, 0, 700_000_000, time.FixedZone("", 3600))

func TestNewInitialAccessToken_makes_the_ordered_record(t *testing.T) {
	token, record, err := credential.NewInitialAccessToken(credential.Terms{
		Label: "für alle", Profile: "partners", CreatedBy: "ops", Lifetime: time.Hour, MaxUses: 3,
	}, noon)
	if err != nil {
		t.Fatal(err)
	}
	second := time.Date(2030, time.March, 1, 11, 0, 0, 0, time.UTC)
	switch {
	case !record.Hash.Matches(token):
		t.Error("the record has another hash than the token")
	case record.Label != "für alle" || record.Profile != "partners" || record.CreatedBy != "ops" || record.MaxUses != 3:
		t.Errorf("got %+v, want the values of the order", record)
	case record.CreatedAt != second || record.ExpiresAt != second.Add(time.Hour):
		t.Errorf("got %v to %v, want %v to an hour later", record.CreatedAt, record.ExpiresAt, second)
	}

	_, record, err = credential.NewInitialAccessToken(credential.Terms{Profile: "p"}, noon)
	if err != nil || !record.ExpiresAt.IsZero() || record.MaxUses != 0 {
		t.Errorf("without lifetime and uses: got %+v and error %v, want a record without limits", record, err)
	}
}

func TestInitialAccessToken_Clone_shares_nothing(t *testing.T) {
	a := &credential.InitialAccessToken{ID: "a", Unknown: []byte(`{"x":1}`)}
	b := a.Clone()
	b.Unknown[1] = 'y'
	if string(a.Unknown) != `{"x":1}` {
		t.Errorf("the original after a change to its clone: got %q", a.Unknown)
	}
}
