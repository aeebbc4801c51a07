package dynamo

import (
	"context"
	"iter"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const kindGrant = "grant"

var optionalOfGrant = []string{
	"scopes", "resource", "user_name", "user_email", "user_groups", "user_provider", attrCreatedAt,
	"code_expires_at", "live", "spent", "spent_at", attrStanding, "app_client", "cognito_id", "tokens", "ended_at", attrExpiresAt, attrTTL,
}

// CreateGrant implements broker.GrantStore.
func (s *Store) CreateGrant(ctx context.Context, g *broker.Grant) error {
	const op = "create grant"
	k, ok := key(kindGrant, g.ID)
	if !ok {
		return errKey(op)
	}
	values := item{":now": num(s.now().Unix())}
	if err := s.create(ctx, op, grantItem(k, g), isAbsent+" OR "+isExpired, values); err != nil {
		return err
	}
	g.Version = 1
	return nil
}

// Grant implements broker.GrantStore.
func (s *Store) Grant(ctx context.Context, id string) (*broker.Grant, error) {
	k, ok := key(kindGrant, id)
	if !ok {
		return nil, broker.ErrNotFound
	}
	it, err := s.get(ctx, "read grant", k)
	if err != nil {
		return nil, err
	}
	if it == nil || expired(it, s.now().Unix()) {
		return nil, broker.ErrNotFound
	}
	return readGrant(it)
}

// ReplaceGrant implements broker.GrantStore.
func (s *Store) ReplaceGrant(ctx context.Context, g *broker.Grant) error {
	k, ok := key(kindGrant, g.ID)
	if !ok {
		return broker.ErrNotFound
	}
	if err := s.replace(ctx, "replace grant", grantItem(k, g), optionalOfGrant, g.Version); err != nil {
		return err
	}
	g.Version++
	return nil
}

// GrantsOf implements broker.GrantStore.
func (s *Store) GrantsOf(ctx context.Context, clientID string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		k := standingKey(clientID)
		if k == "" {
			return
		}
		values := item{":standing": str(k)}
		for it, err := range s.query(ctx, "list grants of client", clientIndex, "#standing = :standing", values, nil) {
			var id string
			if err == nil {
				r := reader{it: it}
				id, err = strings.TrimPrefix(r.string(attrKey), kindGrant+"#"), r.err
			}
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}

// standingKey returns the partition of a client's grants in the index, or "" if
// the client id is not a valid key.
func standingKey(clientID string) string {
	k, ok := key("client", clientID)
	if !ok {
		return ""
	}
	return k
}

// ListGrants implements broker.GrantStore.
func (s *Store) ListGrants(ctx context.Context) iter.Seq2[*broker.Grant, error] {
	values := item{":now": num(s.now().Unix())}
	return readAll(s.scan(ctx, "list grants", kindGrant, " AND "+isLive, values), readGrant)
}

// grantItem returns g as attributes, without those that create and replace add.
func grantItem(k string, g *broker.Grant) item {
	it := newItem(kindGrant, k)
	it["id"] = str(g.ID)
	it["client_id"] = text(g.ClientID)
	it["generation"] = text(g.Generation)
	it["origin_jti"] = text(g.OriginJTI)
	it["code"] = str(g.Code.String())
	it["code_used"] = boolean(g.CodeUsed)
	it["redirect_uri"] = text(g.RedirectURI)
	it["challenge"] = text(g.Challenge)
	putUser(it, g.User)
	it["user_sub"] = text(g.User.Sub)
	putTexts(it, "scopes", g.Scopes)
	putText(it, "resource", g.Resource)
	putTime(it, "code_expires_at", g.CodeExpiresAt)
	putHashes(it, "live", g.Live)
	putHash(it, "spent", g.Spent)
	putTime(it, "spent_at", g.SpentAt)
	putText(it, "app_client", g.AppClient)
	putText(it, "cognito_id", g.CognitoID)
	putText(it, "tokens", g.Tokens)
	putTime(it, attrCreatedAt, g.CreatedAt)
	putTime(it, "ended_at", g.EndedAt)
	if g.Standing() {
		putString(it, attrStanding, standingKey(g.ClientID))
	}
	putTime(it, attrExpiresAt, g.ExpiresAt)
	putTime(it, attrTTL, g.ExpiresAt)
	return it
}

func readGrant(it item) (*broker.Grant, error) {
	from := read(kindGrant, it)
	g := &broker.Grant{
		ID:            from.string("id"),
		Version:       from.int(attrVersion),
		ClientID:      from.text("client_id"),
		Generation:    from.text("generation"),
		User:          from.user(),
		Scopes:        from.texts("scopes"),
		Resource:      from.optionalText("resource"),
		OriginJTI:     from.text("origin_jti"),
		Code:          from.hash("code"),
		CodeExpiresAt: from.time("code_expires_at"),
		CodeUsed:      from.boolean("code_used"),
		RedirectURI:   from.text("redirect_uri"),
		Challenge:     from.text("challenge"),
		Live:          from.hashes("live"),
		Spent:         from.hash("spent"),
		SpentAt:       from.time("spent_at"),
		AppClient:     from.optionalText("app_client"),
		CognitoID:     from.optionalText("cognito_id"),
		Tokens:        from.optionalText("tokens"),
		CreatedAt:     from.time(attrCreatedAt),
		ExpiresAt:     from.time(attrExpiresAt),
		EndedAt:       from.time("ended_at"),
	}
	if from.err != nil {
		return nil, from.err
	}
	return g, nil
}
