DROP TRIGGER guard_post_need_insert ON post;
DROP TRIGGER guard_post_need_update ON post;
DROP FUNCTION guard_post_need;
