package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const kindConsent = "consent"

// PutConsent implements broker.GrantStore.
func (s *Store) PutConsent(ctx context.Context, c *broker.Consent) error {
	const op = "put consent"
	k, ok := key(kindConsent, c.Key)
	if !ok {
		return errKey(op)
	}
	_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.table, Item: consentItem(k, c)})
	if err != nil {
		return failure(op, err)
	}
	return nil
}

// Consent implements broker.GrantStore.
func (s *Store) Consent(ctx context.Context, id string) (*broker.Consent, error) {
	k, ok := key(kindConsent, id)
	if !ok {
		return nil, broker.ErrNotFound
	}
	it, err := s.get(ctx, "read consent", k)
	if err != nil {
		return nil, err
	}
	if it == nil || expired(it, s.now().Unix()) {
		return nil, broker.ErrNotFound
	}
	return readConsent(it)
}

// DeleteConsent implements broker.GrantStore.
func (s *Store) DeleteConsent(ctx context.Context, id string) error {
	k, ok := key(kindConsent, id)
	if !ok {
		return nil
	}
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.table, Key: item{attrKey: str(k)}})
	if err != nil {
		return failure("delete consent", err)
	}
	return nil
}

func consentItem(k string, c *broker.Consent) item {
	it := newItem(kindConsent, k)
	it["key"] = str(c.Key)
	it["user_sub"] = text(c.Sub)
	it["client_id"] = text(c.ClientID)
	putTexts(it, "scopes", c.Scopes)
	putTime(it, attrCreatedAt, c.CreatedAt)
	putTime(it, attrExpiresAt, c.ExpiresAt)
	putTime(it, attrTTL, c.ExpiresAt)
	return it
}

func readConsent(it item) (*broker.Consent, error) {
	from := read(kindConsent, it)
	c := &broker.Consent{
		Key:       from.string("key"),
		Sub:       from.text("user_sub"),
		ClientID:  from.text("client_id"),
		Scopes:    from.texts("scopes"),
		CreatedAt: from.time(attrCreatedAt),
		ExpiresAt: from.time(attrExpiresAt),
	}
	if from.err != nil {
		return nil, from.err
	}
	return c, nil
}
