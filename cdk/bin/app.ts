/** Every stage as a separate stack: `cdk deploy <name>-cdk-dev`. */

import { App } from 'aws-cdk-lib';
import { stages } from '../lib/stages.ts';

stages(new App());
