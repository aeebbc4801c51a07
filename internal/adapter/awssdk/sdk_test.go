package awssdk

import (
	"testing"
)

func TestConfigUsesTheCredentialsOfTheEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	sdk := Config("eu-west-1")
	if sdk.Region != "eu-west-1" {
		t.Errorf("Region = %q, want eu-west-1", sdk.Region)
	}
	cred, err := sdk.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if cred.AccessKeyID != "id" || cred.SecretAccessKey != "secret" || cred.SessionToken != "session" || cred.CanExpire {
		t.Errorf("credentials = %+v, want the ones in the environment", cred)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	if _, err := sdk.Credentials.Retrieve(t.Context()); err == nil {
		t.Error("without a key in the environment: no error")
	}
}
