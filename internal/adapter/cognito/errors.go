package cognito

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// busy, full and noAnswer return the errors for a client that may try again
// later.
func busy(retryAfter time.Duration) *dcr.Error {
	return unavailable(retryAfter, "too many clients are being registered or changed at the moment")
}

func full() *dcr.Error {
	return unavailable(5*time.Minute, "no more clients can be registered at the moment")
}

func noAnswer() *dcr.Error {
	return unavailable(5*time.Second, "the user pool did not answer")
}

func unavailable(retryAfter time.Duration, description string) *dcr.Error {
	e := dcr.Errorf(dcr.Unavailable, "%s", description)
	e.RetryAfter = retryAfter
	return e
}

// aboutRate reports whether the text of a LimitExceededException is about calls
// and not about the number of app clients. Cognito does not document these
// texts. If the guess is wrong, the client only waits too long or too short.
func aboutRate(text string) bool {
	words := strings.FieldsFunc(text, func(r rune) bool { return !strings.ContainsRune(lower+upper+digits+"_", r) })
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, "rate") })
}

// failure classifies an error of the API: whether it is certain that nothing
// was applied, and whether the client may try again, has to change its request,
// or needs the operator. sent is true if the request may have reached Cognito;
// recorder finds that out. The error for the client contains no text of AWS; the
// error for the log contains all of it.
func (op operation) failure(sent bool, err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return op.apiFailure(api, err)
	}
	if sent {
		// The connection was lost, the time was up or the response was invalid:
		// the request may have been applied.
		return op.failed(noAnswer(), err)
	}
	if _, dialled := errors.AsType[*net.OpError](err); dialled || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return op.refused(noAnswer(), err)
	}
	return op.operator("the AWS SDK could not send the request; check the credentials and the region", err)
}

func (op operation) apiFailure(api smithy.APIError, err error) error {
	switch e := api.(type) {
	case *types.TooManyRequestsException:
		return op.refused(busy(2*time.Second), err)
	case *types.LimitExceededException:
		if aboutRate(e.ErrorMessage()) {
			return op.refused(busy(2*time.Second), err)
		}
		return op.refused(full(), fmt.Errorf("%w: %w", broker.ErrAppClientLimit, err))
	case *types.ConcurrentModificationException:
		return op.refused(busy(time.Second), err)
	case *types.InvalidParameterException:
		if op.metadata {
			return op.refused(dcr.Errorf(dcr.InvalidClientMetadata, "the user pool does not accept this client: check redirect_uris, scope and grant_types"), err)
		}
		return op.operator("the request was not accepted", err)
	case *types.ResourceNotFoundException:
		if op.one {
			return &broker.NotAppliedError{Err: fmt.Errorf("cognito: %s: %w: %w", op.doing, broker.ErrNotFound, err)}
		}
		return op.operator("there is no such user pool in this account and region", err)
	case *types.ScopeDoesNotExistException:
		return op.operator("the policy grants a scope that the pool does not have; add it to a resource server of the pool or take it out of the policy", err)
	case *types.InvalidOAuthFlowException:
		return op.operator("the pool does not allow this combination of grant types; take it out of the policy", err)
	case *types.FeatureUnavailableInTierException:
		return op.operator("the feature plan of the pool lacks a feature that the broker's app clients need, such as refresh token rotation; choose another plan", err)
	case *types.OperationNotEnabledException:
		return op.operator("the pool does not accept this call here; a replica accepts no changes", err)
	case *types.NotAuthorizedException:
		return op.operator("IAM does not allow this call; add cognito-idp:"+op.name+" on the pool to the role of the function", err)
	case *types.InternalErrorException:
		return op.failed(noAnswer(), err)
	}
	return op.unmodelled(api, err)
}

// brandFailure returns the error of Brand, whose call failed with err: nil if the
// app client has a branding style already.
func brandFailure(err error) error {
	if _, has := errors.AsType[*types.ManagedLoginBrandingExistsException](err); has {
		return nil
	}
	// This limit is on branding styles, not on app clients.
	if e, limit := errors.AsType[*types.LimitExceededException](err); limit && !aboutRate(e.ErrorMessage()) {
		return &broker.NotAppliedError{Err: fmt.Errorf("cognito: %s: %w: %w", opBrand.doing, broker.ErrBrandingLimit, err)}
	}
	return err
}

// unmodelled classifies the errors that all AWS services share and no service
// model lists.
func (op operation) unmodelled(api smithy.APIError, err error) error {
	switch api.ErrorCode() {
	case "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
		"RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown", "PriorRequestNotComplete":
		return op.refused(busy(2*time.Second), err)
	case "AccessDenied", "AccessDeniedException":
		return op.operator("IAM does not allow this call; add cognito-idp:"+op.name+" on the pool to the role of the function", err)
	}
	switch status := httpStatus(err); {
	case status == http.StatusTooManyRequests:
		return op.refused(busy(2*time.Second), err)
	case status == http.StatusRequestTimeout, status < 400, status >= 500:
		return op.failed(noAnswer(), err)
	}
	return op.operator("the request was refused; check the credentials and the configuration", err)
}

// operator returns an error that only the operator can fix. It is not a
// *dcr.Error, so the client gets a 500 and the log gets the advice.
func (op operation) operator(advice string, err error) error {
	return &broker.NotAppliedError{Err: fmt.Errorf("cognito: %s: %s: %w", op.doing, advice, err)}
}

func httpStatus(err error) int {
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return r.HTTPStatusCode()
	}
	return 0
}

// notApplied marks the error of a call that changes nothing.
func notApplied(err error) error {
	if isNotApplied(err) {
		return err
	}
	return &broker.NotAppliedError{Err: err}
}

func isNotApplied(err error) bool {
	_, ok := errors.AsType[*broker.NotAppliedError](err)
	return ok
}
