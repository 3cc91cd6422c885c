DROP TABLE relief;
DROP TABLE shortage;
