package emulator_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
)

// resourceServers returns the scopes of the pool's resource servers.
func (l *local) resourceServers() []string {
	l.t.Helper()
	out, err := l.sdk.ListResourceServers(l.t.Context(), &cip.ListResourceServersInput{UserPoolId: aws.String(pool), MaxResults: aws.Int32(50)})
	if err != nil {
		l.t.Fatal(err)
	}
	var all []string
	for _, rs := range out.ResourceServers {
		for _, s := range rs.Scopes {
			all = append(all, aws.ToString(rs.Identifier)+"/"+aws.ToString(s.ScopeName))
		}
	}
	return all
}

func TestDeclareScopes(t *testing.T) {
	l := start(t, nil) // which has two scopes
	before := []string{apiScope, strings.Replace(apiScope, "read", "write", 1)}
	if got := l.resourceServers(); !slices.Equal(got, before) {
		t.Fatalf("the pool has %q, want %q", got, before)
	}
	more := []string{"openid", apiScope, "notes/read", "notes/write", strings.Replace(apiScope, "read", "admin", 1)}
	for range 2 { // declaring again changes nothing
		if err := l.DeclareScopes(more); err != nil {
			t.Fatal(err)
		}
		if got, want := l.resourceServers(), append(slices.Clone(before), more[4], more[2], more[3]); !slices.Equal(got, want) {
			t.Errorf("the pool has %q, want %q", got, want)
		}
	}
	in := publicClient()
	in.AllowedOAuthScopes = []string{"notes/write", more[4]}
	l.create(in)

	for _, bad := range []string{"/read", "notes/", "no tes/read", `notes/"read"`} {
		if err := l.DeclareScopes([]string{bad}); err == nil || !strings.Contains(err.Error(), "scope ") {
			t.Errorf("DeclareScopes(%q) = %v, want an error that names the scope", bad, err)
		}
	}
	if got := l.resourceServers(); len(got) != 5 {
		t.Errorf("the pool has %q, want nothing more", got)
	}
}
