INSERT INTO vibelife.payments (user_id, amount, status, completed_at)
SELECT user_id, 28, 'completed', clock_timestamp()
FROM hand.payer
WHERE turn = (SELECT nextval('hand.turn'));
