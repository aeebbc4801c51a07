package dynamo

import (
	"context"
	"crypto/rand"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

var _ broker.GrantStore = (*Store)(nil)

const kindTransaction = "transaction"

var optionalOfTransaction = []string{
	"state", "nonce", "scopes", "resource", "login_hint", "lang", "prompt", "app_client", "cognito_id",
	"user_sub", "user_name", "user_email", "user_groups", "user_provider",
	"origin_jti", "tokens", attrExpiresAt, attrTTL,
}

// CreateTransaction implements broker.GrantStore.
func (s *Store) CreateTransaction(ctx context.Context, t *broker.Transaction) error {
	it := transactionItem(t)
	values := item{":now": num(s.now().Unix())}
	if err := s.create(ctx, "create transaction", it, isAbsent+" OR "+isExpired, values); err != nil {
		return err
	}
	t.Version = 1
	return nil
}

// Transaction implements broker.GrantStore.
func (s *Store) Transaction(ctx context.Context, key credential.Hash) (*broker.Transaction, error) {
	it, err := s.get(ctx, "read transaction", transactionKey(key))
	if err != nil {
		return nil, err
	}
	if it == nil || expired(it, s.now().Unix()) {
		return nil, broker.ErrNotFound
	}
	return readTransaction(it)
}

// TakeStep implements broker.GrantStore. It does not know the new version in
// advance, so it stores its write id under the name of the step.
func (s *Store) TakeStep(ctx context.Context, key credential.Hash, from, to broker.Step) (*broker.Transaction, error) {
	const (
		op        = "take step of transaction"
		update    = "SET #step = :to, #version = #version + :one, #taken = :id"
		condition = isPresent + " AND #step = :from AND " + isLive
	)
	now, id := s.now().Unix(), rand.Text()
	taken := "taken_" + string(to)
	expressionNames := names(update, condition)
	expressionNames["#taken"] = taken
	reply, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &s.table,
		Key:                      item{attrKey: str(transactionKey(key))},
		UpdateExpression:         aws.String(update),
		ConditionExpression:      aws.String(condition),
		ExpressionAttributeNames: expressionNames,
		ExpressionAttributeValues: item{
			":from": str(string(from)), ":to": str(string(to)), ":one": num(1), ":id": str(id), ":now": num(now),
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	out, err := conclude(op, err)
	if err != nil {
		return nil, err
	}
	if !out.refused {
		return readTransaction(reply.Attributes)
	}
	if mine, ok := out.old[taken].(*types.AttributeValueMemberS); ok && mine.Value == id {
		return readTransaction(out.old)
	}
	if out.old == nil || expired(out.old, now) {
		return nil, broker.ErrNotFound
	}
	return nil, broker.ErrConflict
}

// ReplaceTransaction implements broker.GrantStore.
func (s *Store) ReplaceTransaction(ctx context.Context, t *broker.Transaction) error {
	err := s.replace(ctx, "replace transaction", transactionItem(t), optionalOfTransaction, t.Version)
	if err != nil {
		return err
	}
	t.Version++
	return nil
}

// DeleteTransaction implements broker.GrantStore. A key is random, so a repeated
// deletion cannot delete another transaction.
func (s *Store) DeleteTransaction(ctx context.Context, key credential.Hash) error {
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.table,
		Key:       item{attrKey: str(transactionKey(key))},
	})
	if err != nil {
		return failure("delete transaction", err)
	}
	return nil
}

func transactionKey(key credential.Hash) string { return kindTransaction + "#" + key.String() }

// transactionItem returns t as attributes, without those that create and
// replace add.
func transactionItem(t *broker.Transaction) item {
	it := newItem(kindTransaction, transactionKey(t.Key))
	it["key"] = str(t.Key.String())
	it["step"] = str(string(t.Step))
	it["client_id"] = text(t.ClientID)
	it["generation"] = text(t.Generation)
	it["redirect_uri"] = text(t.RedirectURI)
	it["challenge"] = text(t.Challenge)
	putText(it, "state", t.State)
	putText(it, "nonce", t.Nonce)
	putTexts(it, "scopes", t.Scopes)
	putText(it, "resource", t.Resource)
	putText(it, "login_hint", t.LoginHint)
	putText(it, "lang", t.Lang)
	putText(it, "prompt", t.Prompt)
	putText(it, "app_client", t.AppClient)
	putText(it, "cognito_id", t.CognitoID)
	putUser(it, t.User)
	putText(it, "origin_jti", t.OriginJTI)
	putText(it, "tokens", t.Tokens)
	putTime(it, attrExpiresAt, t.ExpiresAt)
	putTime(it, attrTTL, t.ExpiresAt)
	return it
}

func readTransaction(it item) (*broker.Transaction, error) {
	from := read(kindTransaction, it)
	t := &broker.Transaction{
		Key:         from.hash("key"),
		Version:     from.int(attrVersion),
		Step:        broker.Step(from.string("step")),
		ClientID:    from.text("client_id"),
		Generation:  from.text("generation"),
		RedirectURI: from.text("redirect_uri"),
		State:       from.optionalText("state"),
		Nonce:       from.optionalText("nonce"),
		Scopes:      from.texts("scopes"),
		Resource:    from.optionalText("resource"),
		Challenge:   from.text("challenge"),
		LoginHint:   from.optionalText("login_hint"),
		Lang:        from.optionalText("lang"),
		Prompt:      from.optionalText("prompt"),
		AppClient:   from.optionalText("app_client"),
		CognitoID:   from.optionalText("cognito_id"),
		User:        from.user(),
		OriginJTI:   from.optionalText("origin_jti"),
		Tokens:      from.optionalText("tokens"),
		ExpiresAt:   from.time(attrExpiresAt),
	}
	if from.err != nil {
		return nil, from.err
	}
	return t, nil
}

func putUser(it item, u broker.User) {
	putText(it, "user_sub", u.Sub)
	putText(it, "user_name", u.Username)
	putText(it, "user_email", u.Email)
	putTexts(it, "user_groups", u.Groups)
	putText(it, "user_provider", u.IdentityProvider)
}

func (r *reader) user() broker.User {
	return broker.User{
		Sub:              r.optionalText("user_sub"),
		Username:         r.optionalText("user_name"),
		Email:            r.optionalText("user_email"),
		Groups:           r.texts("user_groups"),
		IdentityProvider: r.optionalText("user_provider"),
	}
}
