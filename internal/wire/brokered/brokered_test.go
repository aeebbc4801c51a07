package brokered

import (
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/authorize"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
)

// Whoever makes the app clients and whoever is called back are different
// functions; they have to mean the same addresses.
func TestAppClientsHaveOurAddresses(t *testing.T) {
	if registrar.CallbackPath != authorize.CallbackPath {
		t.Errorf("app clients have %s, the callback is %s", registrar.CallbackPath, authorize.CallbackPath)
	}
	if registrar.SignedOutPath != authorize.SignedOutPath {
		t.Errorf("app clients have %s, the sign-out URL is %s", registrar.SignedOutPath, authorize.SignedOutPath)
	}
}
