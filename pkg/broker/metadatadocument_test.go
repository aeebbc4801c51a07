package broker_test

import (
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestNamesMetadataDocument(t *testing.T) {
	for id, want := range map[string]bool{
		"https://app.example.com/oauth/client.json": true,
		"HTTPS://app.example.com/":                  true,
		"http://127.0.0.1/client":                   true, // no valid one, and meant as one
		"dcr_aaaaaaaaaaaaaaaaaaaaaaaaaa":            false,
		"1example23456789abcdefghij":                false,
		"com.example.app://x":                       false,
		"https":                                     false,
		"":                                          false,
	} {
		if got := broker.NamesMetadataDocument(id); got != want {
			t.Errorf("NamesMetadataDocument(%q) = %t, want %t", id, got, want)
		}
	}
}
