package emulator

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
)

// clientView is an app client in the output of Create, Update and Describe.
type clientView struct {
	UserPoolId   string
	ClientId     string
	ClientSecret string `json:",omitempty"`
	Settings
	CreationDate     epoch
	LastModifiedDate epoch
}

type clientOutput struct{ UserPoolClient clientView }

// view returns the output for a. The caller holds c.mu.
func (c *Cognito) view(a *appClient) clientOutput {
	v := clientView{
		UserPoolId: c.cfg.PoolID, ClientId: a.id, Settings: a.settings.clone(),
		CreationDate: epoch(a.created), LastModifiedDate: epoch(a.modified),
	}
	if len(a.secrets) > 0 {
		v.ClientSecret = a.secrets[0].value
	}
	return clientOutput{v}
}

type createClientInput struct {
	clientInput
	GenerateSecret bool
	ClientSecret   *string
}

func (c *Cognito) createClient(in createClientInput) (clientOutput, *apiError) {
	var cs constraints
	in.constrain(&cs)
	if in.ClientName == nil {
		cs.fail("null", "clientName", "Member must not be null")
	}
	if in.ClientSecret != nil {
		cs.text(*in.ClientSecret, "clientSecret", 24, 64, wordPattern)
	}
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return clientOutput{}, err
	}
	if in.GenerateSecret && in.ClientSecret != nil {
		return clientOutput{}, invalidParameter("GenerateSecret and ClientSecret can not both be specified.")
	}
	if err := refuseAnalytics(in.clientInput); err != nil {
		return clientOutput{}, err
	}
	secret := ""
	switch {
	case in.ClientSecret != nil:
		secret = *in.ClientSecret
	case in.GenerateSecret:
		secret = generateSecret()
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	s := in.settings("")
	if len(s.ExplicitAuthFlows) == 0 {
		s.ExplicitAuthFlows = setOrder(defaultAuthFlows)
	}
	if err := c.validate(s, secret != ""); err != nil {
		return clientOutput{}, err
	}
	if len(c.clients) >= c.cfg.AppClientQuota {
		return clientOutput{}, apiErrorf("LimitExceededException", "Maximum number of app clients per user pool exceeded: %d", c.cfg.AppClientQuota)
	}
	now := c.now()
	c.serial++
	a := &appClient{id: randomID(26), serial: c.serial, settings: s, created: now, modified: now}
	if secret != "" {
		a.addSecret(secret, now)
	}
	c.clients[a.id] = a
	return c.view(a), nil
}

type updateClientInput struct {
	clientInput
	ClientId *string
}

func (c *Cognito) updateClient(in updateClientInput) (clientOutput, *apiError) {
	var cs constraints
	in.constrain(&cs)
	id := cs.clientID(in.ClientId)
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return clientOutput{}, err
	}
	if err := refuseAnalytics(in.clientInput); err != nil {
		return clientOutput{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.clients[id]
	if a == nil {
		return clientOutput{}, noSuchClient(id)
	}
	s := in.settings(a.settings.ClientName)
	if err := c.validate(s, len(a.secrets) > 0); err != nil {
		return clientOutput{}, err
	}
	a.settings, a.modified = s, c.now()
	return c.view(a), nil
}

// refuseAnalytics refuses a member that the emulator does not store.
func refuseAnalytics(in clientInput) *apiError {
	if raw := string(in.AnalyticsConfiguration); raw != "" && raw != "null" {
		return invalidParameter("the local Cognito does not support AnalyticsConfiguration")
	}
	return nil
}

type clientRef struct{ UserPoolId, ClientId *string }

// find checks ref and calls f with the app client while it holds the lock.
func (c *Cognito) find(ref clientRef, f func(*appClient) *apiError) *apiError {
	var cs constraints
	cs.poolID(ref.UserPoolId)
	id := cs.clientID(ref.ClientId)
	if err := c.inPool(cs, ref.UserPoolId); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := c.clients[id]
	if a == nil {
		return noSuchClient(id)
	}
	return f(a)
}

func (c *Cognito) describeClient(in clientRef) (out clientOutput, err *apiError) {
	err = c.find(in, func(a *appClient) *apiError { out = c.view(a); return nil })
	return out, err
}

func (c *Cognito) deleteClient(in clientRef) (empty, *apiError) {
	return empty{}, c.find(in, func(a *appClient) *apiError {
		delete(c.clients, a.id)
		delete(c.brandings, a.id)
		return nil
	})
}

type listClientsInput struct {
	UserPoolId *string
	MaxResults *int64
	NextToken  *string
}

type clientDescription struct{ ClientId, UserPoolId, ClientName string }

type listClientsOutput struct {
	UserPoolClients []clientDescription
	NextToken       string `json:",omitempty"`
}

func (c *Cognito) listClients(in listClientsInput) (listClientsOutput, *apiError) {
	var cs constraints
	cs.poolID(in.UserPoolId)
	cs.integer(in.MaxResults, "maxResults", 1, 60)
	if err := c.inPool(cs, in.UserPoolId); err != nil {
		return listClientsOutput{}, err
	}
	after, err := pageStart(in.NextToken)
	if err != nil {
		return listClientsOutput{}, err
	}
	size := 60
	if in.MaxResults != nil {
		size = int(*in.MaxResults)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := slices.DeleteFunc(c.byAge(), func(a *appClient) bool { return a.serial <= after })
	out := listClientsOutput{UserPoolClients: []clientDescription{}}
	for _, a := range rest[:min(size, len(rest))] {
		out.UserPoolClients = append(out.UserPoolClients, clientDescription{a.id, c.cfg.PoolID, a.settings.ClientName})
	}
	if len(rest) > size {
		out.NextToken = pageToken(rest[size-1].serial)
	}
	return out, nil
}

// A page token names the last element of the previous page, so pages stay
// correct while elements are added and removed.
func pageToken(last int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("after:" + strconv.Itoa(last)))
}

func pageStart(token *string) (int, *apiError) {
	if token == nil {
		return 0, nil
	}
	b, _ := base64.RawURLEncoding.DecodeString(*token)
	n, ok := strings.CutPrefix(string(b), "after:")
	last, err := strconv.Atoi(n)
	if !ok || err != nil {
		return 0, invalidParameter("Invalid pagination token provided.")
	}
	return last, nil
}
