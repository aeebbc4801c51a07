package emulator

import (
	"encoding/json"
	"time"
)

// maxBrandings is the quota of a pool; AWS does not raise it.
const maxBrandings = 20

// branding is the style of one app client's login pages.
type branding struct {
	id   string
	made time.Time
}

type brandingView struct {
	ManagedLoginBrandingId   string
	UserPoolId               string
	UseCognitoProvidedValues bool
	CreationDate             epoch
	LastModifiedDate         epoch
}

type brandingOutput struct{ ManagedLoginBranding brandingView }

func (c *Cognito) brandingView(b branding) brandingOutput {
	return brandingOutput{brandingView{b.id, c.cfg.PoolID, true, epoch(b.made), epoch(b.made)}}
}

type createBrandingInput struct {
	clientRef
	UseCognitoProvidedValues bool
	Settings                 json.RawMessage
	Assets                   []json.RawMessage
}

func (c *Cognito) createBranding(in createBrandingInput) (out brandingOutput, err *apiError) {
	if c.cfg.Plan == Lite {
		return out, apiErrorf("OperationNotEnabledException", "Managed login is not available in the tier %s.", c.cfg.Plan)
	}
	if !in.UseCognitoProvidedValues || len(in.Assets) > 0 || (len(in.Settings) > 0 && string(in.Settings) != "null") {
		return out, invalidParameter("the local Cognito has one style: set UseCognitoProvidedValues, and neither Settings nor Assets")
	}
	err = c.find(in.clientRef, func(a *appClient) *apiError {
		if _, ok := c.brandings[a.id]; ok {
			return apiErrorf("ManagedLoginBrandingExistsException", "User pool client %s already has a managed login branding style.", a.id)
		}
		if len(c.brandings) >= maxBrandings {
			return apiErrorf("LimitExceededException", "Maximum number of managed login branding styles per user pool exceeded: %d", maxBrandings)
		}
		b := branding{newUUID(), c.now()}
		c.brandings[a.id] = b
		out = c.brandingView(b)
		return nil
	})
	return out, err
}

func (c *Cognito) describeBranding(in clientRef) (out brandingOutput, err *apiError) {
	err = c.find(in, func(a *appClient) *apiError {
		b, ok := c.brandings[a.id]
		if !ok {
			return notFound("User pool client %s has no managed login branding style.", a.id)
		}
		out = c.brandingView(b)
		return nil
	})
	return out, err
}
