/** Every stage of Atelier: `cdk deploy atelier-cdk-dev`. */

import { App } from 'aws-cdk-lib';
import { stages } from '../lib/stages.ts';

stages(new App());
