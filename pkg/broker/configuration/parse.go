package configuration

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Parse is provisional: it reads the members without checking them all.
func Parse(body []byte, d broker.Deployment) (*Configuration, error) {
	var doc struct {
		Scopes []struct {
			Name        string `json:"name"`
			Description string `json:"description"`
		} `json:"scopes"`
		Resources []struct {
			Resource      string   `json:"resource"`
			Name          string   `json:"name"`
			Scopes        []string `json:"scopes"`
			Introspection []struct {
				ID           string `json:"id"`
				SecretSHA256 string `json:"secret_sha256"`
			} `json:"introspection_clients"`
		} `json:"protected_resources"`
		ResourceBinding bool `json:"resource_binding"`
		Branding        struct {
			Name   string `json:"name"`
			Accent string `json:"accent"`
			Logo   string `json:"logo"`
		} `json:"branding"`
		SupportContact string `json:"support_contact"`
		Lifetimes      struct {
			AccessToken  string `json:"access_token"`
			IDToken      string `json:"id_token"`
			RefreshToken string `json:"refresh_token"`
		} `json:"lifetimes"`
		Rotation            *bool    `json:"refresh_token_rotation"`
		IdentityProviders   []string `json:"identity_providers"`
		AppClientQuota      int      `json:"app_client_quota"`
		ForwardResource     bool     `json:"forward_resource"`
		ScopesSupported     []string `json:"scopes_supported"`
		GrantTypesSupported []string `json:"grant_types_supported"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return nil, err
	}
	c := &Configuration{
		Digest: Digest(body), ResourceBinding: doc.ResourceBinding, SupportContact: doc.SupportContact, IdentityProviders: doc.IdentityProviders,
		AppClientQuota: doc.AppClientQuota, ForwardResource: doc.ForwardResource, ScopesSupported: doc.ScopesSupported, GrantTypesSupported: doc.GrantTypesSupported,
		Branding: Branding{Name: doc.Branding.Name, Accent: doc.Branding.Accent},
		Tokens:   Tokens{time.Hour, time.Hour, 30 * 24 * time.Hour, doc.Rotation == nil || *doc.Rotation},
	}
	if c.AppClientQuota == 0 {
		c.AppClientQuota = 1000
	}
	if c.IdentityProviders == nil {
		c.IdentityProviders = []string{"COGNITO"}
	}
	if c.GrantTypesSupported == nil {
		c.GrantTypesSupported = dcr.DefaultGrantTypes()
	}
	for text, into := range map[string]*time.Duration{doc.Lifetimes.AccessToken: &c.Tokens.AccessToken, doc.Lifetimes.IDToken: &c.Tokens.IDToken, doc.Lifetimes.RefreshToken: &c.Tokens.RefreshToken} {
		if text != "" {
			if life, err := time.ParseDuration(text); err == nil {
				*into = life
			}
		}
	}
	if u, err := url.Parse(d.Issuer); err == nil && c.Branding.Name == "" {
		c.Branding.Name = u.Host
	}
	if _, data, ok := strings.Cut(doc.Branding.Logo, ";base64,"); ok {
		c.Branding.Logo, _ = base64.StdEncoding.DecodeString(data)
	}
	for _, s := range doc.Scopes {
		c.Scopes = append(c.Scopes, Scope{s.Name, s.Description})
	}
	for _, r := range doc.Resources {
		c.Resources = append(c.Resources, broker.Resource{URL: r.Resource, Name: r.Name, Scopes: r.Scopes})
		for _, i := range r.Introspection {
			c.IntrospectionClients = append(c.IntrospectionClients, IntrospectionClient{i.ID, i.SecretSHA256, r.Resource})
		}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return nil, err
	}
	part := map[string]json.RawMessage{}
	for _, name := range []string{"version", "open_registration", "profiles", "token_issuers", "statement_issuers"} {
		if v, ok := members[name]; ok {
			part[name] = v
		}
	}
	text, err := json.Marshal(part)
	if err != nil {
		return nil, err
	}
	if c.Policy, err = policy.Parse(bytes.TrimSpace(text), d.Mode, c.ScopeNames()); err != nil {
		return nil, err
	}
	if c.ScopesSupported == nil {
		for _, s := range c.Policy.ScopesSupported() {
			if s != broker.ScopeOpenID || d.Mode != broker.ModeBrokered {
				c.ScopesSupported = append(c.ScopesSupported, s)
			}
		}
	}
	return c, nil
}
